from __future__ import annotations

from pathlib import Path

from standardwebhooks import Webhook

from loginwatch.demo.secrets import risk_api_secret, secret_key


def test_secrets_are_made_once_and_kept(var: Path) -> None:
    assert secret_key(var) == secret_key(var)
    assert risk_api_secret(var) == risk_api_secret(var)


def test_another_folder_has_others(var: Path, tmp_path: Path) -> None:
    assert secret_key(var) != secret_key(tmp_path)
    assert risk_api_secret(var) != risk_api_secret(tmp_path)


def test_they_are_what_their_readers_want(var: Path) -> None:
    assert len(secret_key(var)) >= 50
    Webhook(risk_api_secret(var))


def test_only_their_owner_can_read_them(var: Path) -> None:
    secret_key(var)
    risk_api_secret(var)
    assert [file.stat().st_mode & 0o777 for file in var.iterdir()] == [0o600, 0o600]
