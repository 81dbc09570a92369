"""docker-compose.yml, without an engine. What it does with one: compose_sign_in.py."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.deployment import files
from tests.deployment.files import LONG_RUNNING, SERVICES

# A debugging or demo site is not to be had by a line in .env.
NOT_PASSED = {"DEBUG", "LOGINWATCH_DEMO"}


def test_has_every_process_and_what_they_need() -> None:
    assert set(SERVICES) >= {*files.procfile(), files.ONE_OFF, "db", "redis"}


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_health_is_checked(service: str) -> None:
    assert set(SERVICES[service]["healthcheck"]) >= {"test", "interval", "timeout", "retries", "start_period"}


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_is_started_again(service: str) -> None:
    assert SERVICES[service]["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_starts_when_what_it_needs_is_healthy(service: str) -> None:
    for needed, how in SERVICES[service].get("depends_on", {}).items():
        wanted = "service_completed_successfully" if needed == files.ONE_OFF else "service_healthy"
        assert how == {"condition": wanted}, needed


@pytest.mark.parametrize("service", ["web", "worker", "beat"])
def test_waits_for_the_migrations(service: str) -> None:
    assert set(SERVICES[service]["depends_on"]) >= {files.ONE_OFF, "db", "redis"}


@pytest.mark.parametrize("name", files.SECRETS)
def test_a_missing_secret_is_refused_with_a_sentence(name: str) -> None:
    uses = re.findall(rf"\$\{{{name}([^}}]*)\}}", files.COMPOSE_TEXT)
    assert uses
    for use in uses:
        assert use.startswith(f":?{name} is not set")


def test_no_secret_is_written_down() -> None:
    for service, name, value in _variables():
        if re.search("SECRET|PASSWORD|AUTH", name):
            assert value.startswith("${"), (service, name)
        for password in re.findall(r"://[^/]*?:([^@]*)@", value):
            assert password.startswith("${"), (service, name)


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_the_image_is_named(service: str) -> None:
    image, tag = [*SERVICES[service]["image"].split(":"), ""][:2]
    if image == files.OWN_IMAGE:
        assert SERVICES[service]["build"] == "."
    else:
        assert re.fullmatch(r"v?\d[\w.-]*", tag), "a version, so that the next start is not another one"


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_may_do_little(service: str) -> None:
    assert SERVICES[service]["read_only"] is True
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert SERVICES[service]["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in SERVICES[service]


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_is_published_on_this_machine_alone(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service].get("ports", []))


@pytest.mark.parametrize(("service", "command"), sorted(files.procfile().items()))
def test_runs_the_command_of_the_procfile(service: str, command: str) -> None:
    assert f"{SERVICES[service]['command']} ".startswith(f"{command} ")


def test_passes_every_setting_on() -> None:
    passed = set(SERVICES["web"]["environment"])
    assert files.read_by_settings() - passed == NOT_PASSED


def test_passes_web_worker_and_beat_the_same_settings() -> None:
    own = {"HOST", "PORT", "WEB_CONCURRENCY"}
    web = {name: value for name, value in SERVICES["web"]["environment"].items() if name not in own}
    assert SERVICES["worker"]["environment"] == SERVICES["beat"]["environment"] == web


def test_tells_the_risk_service_no_secret_but_its_own() -> None:
    assert set(SERVICES["risk"]["environment"]) == {"RISK_API_SECRET", "RISK_API_STORE", "RISK_API_BIND"}


def _variables() -> list[tuple[str, str, str]]:
    """Service, name and value of every environment variable."""
    environments: list[tuple[str, dict[str, Any]]] = [(name, s.get("environment", {})) for name, s in SERVICES.items()]
    return [(service, name, str(value)) for service, variables in environments for name, value in variables.items()]
