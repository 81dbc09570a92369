"""Wrong values in the environment: one clear line each, however the site is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loginwatch.environment import Environment, broker_options
from tests.servers import CHECKOUT

pytestmark = pytest.mark.once

BIN = Path(sys.executable).parent
GOOD = {
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "x" * 50,
    "SITE_URL": "https://example.com",
    "OPERATOR_EMAILS": "ops@example.com",
    "RISK_API_SECRET": "whsec_aW5zZWN1cmUtc2VjcmV0LWZvci1kZWJ1Z2dpbmctb25seQ==",
}


def started(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    return subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603


@pytest.mark.parametrize(
    "command",
    [
        pytest.param((sys.executable, "manage.py", "check"), id="manage.py"),
        pytest.param((str(BIN / "celery"), "-A", "loginwatch", "worker"), id="worker"),
        pytest.param((str(BIN / "celery"), "-A", "loginwatch", "beat"), id="beat"),
    ],
)
def test_every_wrong_value_is_told_in_a_line_and_nothing_starts(command: tuple[str, ...]) -> None:
    ended = started(*command, **{**GOOD, "PORT": "eighty", "REDIS_URL": "localhost:6379", "SECRET_KEY": ""})

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.splitlines() == [
        "loginwatch: PORT must be a whole number, 1 to 65535 (it is 'eighty')",
        "loginwatch: SECRET_KEY is not set: set it to 50 or more random characters",
        (
            "loginwatch: REDIS_URL must be a broker's URL (amqp, amqps, redis, redis+socket, rediss, sentinel): "
            "it is not a URL"
        ),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "perhaps"),
        ("OPERATOR_EMAILS", "ops@example.com, nobody"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("SITE_URL", "loginwatch.internal"),
        ("SITE_URL", "ftp://example.com"),
        ("SITE_URL", "https://example.com:port"),
        ("DATABASE_URL", "mysql://user@host/db"),
        ("DATABASE_URL", "postgres://host:port/db"),
        ("DATABASE_URL", "nonsense"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("CELERY_BROKER_URL", "broker.internal"),
        ("EMAIL_URL", "mail.example.com"),
        ("RISK_API_URL", "risk"),
        ("RISK_API_SECRET", "hunter2"),
        ("RISK_API_SECRET", "whsec_"),
        ("RISK_API_SECRET", "whsec_c2hvcnQ="),
        ("RISK_API_SECRET", "whsec_!!!"),
        ("RISK_API_TIMEOUT", "soon"),
        ("RISK_API_TIMEOUT", "nan"),
        ("RISK_API_TIMEOUT", "60"),
        ("RISK_API_RATE", "5/m"),
        ("RISK_API_BUDGET", "0"),
        ("RUN_OBJECTIVE", "soon"),
        ("OPERATOR_WEBHOOK_URL", "http://hooks.example.com/a-token"),
        ("TRUSTED_PROXY_COUNT", "-1"),
        ("GEOIP_DATABASE", "/nowhere/GeoLite2-City.mmdb"),
        ("LOGINWATCH_ENFORCE", "sometimes"),
        ("LOGINWATCH_DEMO", "maybe"),
        ("TIME_ZONE", "Mars/Olympus"),
    ],
)
def test_a_wrong_value_is_named_and_no_secret_of_it_is_printed(name: str, value: str) -> None:
    ended = started(sys.executable, "manage.py", "check", **{**GOOD, name: value})

    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert line.startswith(f"loginwatch: {name} must be ")
    if "URL" in name or "SECRET" in name:
        assert value not in line.replace("whsec_ and", "")


@pytest.mark.parametrize(
    "command",
    [
        pytest.param((str(BIN / "gunicorn"), "loginwatch.wsgi"), id="web"),
        pytest.param((str(BIN / "celery"), "-A", "loginwatch", "worker"), id="worker"),
        pytest.param((str(BIN / "celery"), "-A", "loginwatch", "beat"), id="beat"),
    ],
)
def test_settings_that_the_system_checks_refuse_start_nothing(command: tuple[str, ...], tmp_path: Path) -> None:
    ended = started(*command, **{**GOOD, "SITE_URL": "http://example.com", "VAR_DIR": str(tmp_path)})

    assert ended.returncode != 0
    assert "loginwatch.E002" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_good_values_start_without_a_word() -> None:
    ended = started(sys.executable, "manage.py", "check", **GOOD)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_file_may_hold_the_values_and_what_is_set_wins(tmp_path: Path) -> None:
    env_file = tmp_path / "env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in GOOD.items()) + "PORT=eighty\n")

    from_file = started(sys.executable, "manage.py", "check", ENV_FILE=str(env_file))
    overridden = started(sys.executable, "manage.py", "check", ENV_FILE=str(env_file), PORT="8080")

    assert "PORT must be" in from_file.stderr
    assert overridden.returncode == 0


def test_the_file_may_say_where_the_data_is(tmp_path: Path) -> None:
    env_file = tmp_path / "env"
    env_file.write_text(f"VAR_DIR={tmp_path}\n")

    command = ("shell", "--verbosity", "0", "--command", "from django.conf import settings; print(settings.VAR_DIR)")
    told = started(sys.executable, "manage.py", *command, **{**GOOD, "ENV_FILE": str(env_file)})

    assert told.stdout == f"{tmp_path}\n"


def test_an_empty_value_is_one_that_is_not_set() -> None:
    environment = Environment({"PORT": ""})

    assert environment.whole("PORT", default=8000, least=1, most=65535) == 8000
    environment.refuse_faults()


def test_a_rate_may_be_of_a_second_a_minute_or_an_hour() -> None:
    environment = Environment({"A": "250/s", "B": "600/m", "C": "360/h"})

    assert [environment.rate(name, 1.0) for name in "ABCD"] == [250, 10, 0.1, 1]
    environment.refuse_faults()


@pytest.mark.parametrize(
    "value", ["fast", "100", "0/s", "-1/s", "1.5/s", "5/m", "100/d", "1000000/s", "100/s\n", "\u0661/s"]
)
def test_what_is_no_rate_or_one_too_low_is_refused(value: str) -> None:
    """A post that is held back for long would be taken for lost."""
    environment = Environment({"RISK_API_RATE": value})
    environment.rate("RISK_API_RATE", 1.0)

    with pytest.raises(SystemExit, match="RISK_API_RATE must be a rate like 100/s"):
        environment.refuse_faults()


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/a-token?of=them",
        "https://[2001:db8::1]:8443/",
        "http://127.0.0.1:9000/hook",
        "http://localhost/hook",
    ],
)
def test_a_webhook_is_an_https_address_or_on_this_machine(url: str) -> None:
    environment = Environment({"OPERATOR_WEBHOOK_URL": url})

    assert environment.webhook_url("OPERATOR_WEBHOOK_URL") == url
    environment.refuse_faults()


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "http://127.0.0.1.example.com/",
        "ftp://127.0.0.1/",
        "https://",
        "hooks.example.com",
        "https://hooks.example.com:port/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nHost: x",
        "https://[::1/",
    ],
)
def test_another_address_for_the_webhook_is_refused(url: str) -> None:
    environment = Environment({"OPERATOR_WEBHOOK_URL": url})
    assert environment.webhook_url("OPERATOR_WEBHOOK_URL") == ""

    with pytest.raises(SystemExit) as refused:
        environment.refuse_faults()
    assert str(refused.value).startswith("loginwatch: OPERATOR_WEBHOOK_URL must be an https:// address")
    assert url not in str(refused.value).partition("alone")[2]


def test_a_webhook_needs_its_secret() -> None:
    ended = started(
        sys.executable, "manage.py", "check", **{**GOOD, "OPERATOR_WEBHOOK_URL": "https://hooks.example.com/"}
    )

    (line,) = ended.stderr.splitlines()
    assert line.startswith("loginwatch: OPERATOR_WEBHOOK_SECRET is not set: set it to whsec_")


def test_the_master_of_a_sentinel_stands_in_the_brokers_url() -> None:
    url = "sentinel://10.0.0.1:26379/0?master_name=mymaster"

    assert broker_options(url) == ("sentinel://10.0.0.1:26379/0", {"master_name": "mymaster"})
    assert broker_options("redis://10.0.0.1:6379/0") == ("redis://10.0.0.1:6379/0", {})
