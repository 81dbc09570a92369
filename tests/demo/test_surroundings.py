"""What the demo decides by itself, and what its user decides."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from loginwatch.demo.environment import MARK, SHARED, mark_of, surroundings, write_env_file
from loginwatch.demo.folders import prepare_folders
from loginwatch.demo.running import env_file_in
from loginwatch.environment import Environment
from tests.deployment import files


@pytest.fixture
def var(tmp_path: Path) -> Path:
    folder = tmp_path / "50% of #1 & more" / "var"
    prepare_folders(folder)
    return folder


def test_on_a_fresh_machine_it_brings_everything(var: Path) -> None:
    chosen = surroundings({}, var)
    assert (chosen.host, chosen.port) == ("127.0.0.1", 8000)
    assert chosen.brings_broker
    assert chosen.brings_risk_service
    assert chosen.variables["SITE_URL"] == "http://127.0.0.1:8000"
    assert chosen.variables["RISK_API_URL"] == f"http://{chosen.variables['RISK_API_BIND']}"
    assert chosen.variables["LOGINWATCH_DEMO"] == "1"
    assert "DEBUG" not in chosen.variables


def test_the_embedded_broker_listens_to_this_machine_alone_and_wants_its_password(var: Path) -> None:
    url = urlsplit(surroundings({}, var).variables["REDIS_URL"])
    config = (var / "run" / "broker.conf").read_text()
    assert f"bind 127.0.0.1\nport {url.port}\n" in config
    assert f"requirepass {url.password}\n" in config
    assert 'save ""\nappendonly no\n' in config


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_a_broker_of_the_users_is_used_as_it_is(var: Path, name: str) -> None:
    chosen = surroundings({name: "redis://broker.example:6379/3"}, var)
    assert not chosen.brings_broker
    assert chosen.variables[name] == "redis://broker.example:6379/3"
    assert not (var / "run" / "broker.conf").exists()


def test_a_risk_service_of_the_users_is_used_as_it_is(var: Path) -> None:
    chosen = surroundings({"RISK_API_URL": "https://risk.example"}, var)
    assert not chosen.brings_risk_service
    assert chosen.variables["RISK_API_URL"] == "https://risk.example"
    assert "RISK_API_BIND" not in chosen.variables


def test_what_the_user_set_wins_and_what_is_set_to_nothing_does_not(var: Path) -> None:
    chosen = surroundings(
        {"DEBUG": "0", "SECRET_KEY": "theirs", "EMAIL_URL": "smtp://mail.example:25", "PORT": ""}, var
    )
    assert chosen.variables["DEBUG"] == "0"
    assert chosen.variables["SECRET_KEY"] == "theirs"
    assert chosen.variables["EMAIL_URL"] == "smtp://mail.example:25"
    assert chosen.port == 8000


def test_a_wrong_port_ends_the_start_with_one_clear_line(var: Path) -> None:
    with pytest.raises(SystemExit, match=r"^loginwatch: PORT must be a whole number, 1 to 65535 \(it is 'many'\)$"):
        surroundings({"PORT": "many"}, var)


def test_the_mail_goes_to_a_folder_whatever_its_path_is(var: Path) -> None:
    environment = Environment({"EMAIL_URL": surroundings({}, var).variables["EMAIL_URL"]})
    config = environment.email("EMAIL_URL", "")
    environment.refuse_faults()
    assert config["EMAIL_BACKEND"] == "loginwatch.demo.maildir.EmailBackend"
    assert config["EMAIL_FILE_PATH"] == str(var / "mail")


def test_what_a_worker_beside_the_demo_has_to_know_is_written_down_for_its_owner(
    var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = surroundings({"DATABASE_URL": "postgres://me:secret@db.example/site", "HOME": "/home/me"}, var)
    write_env_file(var, chosen.variables)
    told = dict(line.split("=", 1) for line in env_file_in(var).read_text().splitlines())
    assert told["DATABASE_URL"] == "postgres://me:secret@db.example/site"
    assert told["VAR_DIR"] == str(var)
    assert {"REDIS_URL", "SECRET_KEY", "RISK_API_URL", "RISK_API_SECRET", "EMAIL_URL", "OPERATOR_EMAILS"} <= set(told)
    assert "HOME" not in told
    assert env_file_in(var).stat().st_mode & 0o777 == 0o600


def test_a_worker_beside_the_demo_knows_whatever_the_settings_read() -> None:
    assert set(SHARED) == files.read_by_settings() | {"VAR_DIR"}


def test_the_mark_is_the_folders(var: Path, tmp_path: Path) -> None:
    assert surroundings({}, var).variables[MARK] == mark_of(var) != mark_of(tmp_path)
