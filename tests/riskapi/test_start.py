"""The environment, the store's file, and a start that ends with one clear line."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from riskapi.config import Config, ConfigError, from_environment
from riskapi.store import Store, StoreError
from tests.riskapi.caller import KEY_BYTES, SECRET
from tests.riskapi.server import CHECKOUT, COMMAND, PATIENCE_SECONDS, environment


def test_a_secret_is_enough() -> None:
    config = from_environment({"RISK_API_SECRET": SECRET, "RISK_API_BIND": ""})

    assert config == Config(secret=KEY_BYTES, store=Path("var/risk.sqlite3"), bind="127.0.0.1:8001")
    assert "KEY" not in repr(config) and "secret" not in repr(config)


def test_padding_of_the_secret_may_be_left_out() -> None:
    assert from_environment({"RISK_API_SECRET": SECRET.rstrip("=")}).secret == KEY_BYTES


@pytest.mark.parametrize("bind", ["0.0.0.0:80", "[::1]:8001", "risk.example:65535", "unix:/run/risk.sock"])
def test_addresses_to_serve_at(bind: str) -> None:
    assert from_environment({"RISK_API_SECRET": SECRET, "RISK_API_BIND": bind}).bind == bind


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RISK_API_SECRET", ""),
        ("RISK_API_SECRET", "whsec_"),
        ("RISK_API_SECRET", "whsec_c2hvcnQ="),
        ("RISK_API_SECRET", "whsec_" + "no base64 at all " * 4),
        ("RISK_API_SECRET", "whsec_" + "é" * 40),
        ("RISK_API_SECRET", SECRET.removeprefix("whsec_")),
        ("RISK_API_BIND", "8001"),
        ("RISK_API_BIND", "localhost"),
        ("RISK_API_BIND", "localhost:65536"),
        ("RISK_API_BIND", "http://localhost:8001"),
        ("RISK_API_BIND", "unix:"),
        ("RISK_API_STORE", "/"),
    ],
)
def test_a_wrong_value_is_named_and_never_shown_when_secret(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        from_environment({"RISK_API_SECRET": SECRET, name: value})

    assert "\n" not in str(caught.value)
    assert name != "RISK_API_SECRET" or len(value) < 10 or value not in str(caught.value)


def test_a_file_of_something_else_is_not_taken_for_the_store(tmp_path: Path) -> None:
    noise, other, newer = tmp_path / "noise", tmp_path / "other", tmp_path / "newer"
    noise.write_bytes(b"no database" * 999)
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE auth_user (id)")
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 2")

    for path in (noise, other, newer, noise / "below"):
        with pytest.raises(StoreError, match=path.name):
            Store(path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({}, "RISK_API_SECRET is not set", id="no secret"),
        pytest.param({"RISK_API_SECRET": SECRET, "RISK_API_BIND": "nowhere"}, "RISK_API_BIND", id="bad address"),
        pytest.param(
            {"RISK_API_SECRET": SECRET, "RISK_API_STORE": "riskapi/wsgi.py/x"}, "riskapi/wsgi.py/x", id="bad store"
        ),
    ],
)
def test_gunicorn_ends_with_one_line(changes: dict[str, str], told: str, tmp_path: Path) -> None:
    store = {"RISK_API_STORE": str(tmp_path / "risk.sqlite3")}
    ended = subprocess.run(  # noqa: S603 - our own command
        COMMAND,
        cwd=CHECKOUT,
        env=environment(**(store | changes)),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("riskapi: ") and told in line
