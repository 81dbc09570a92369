"""`manage.py doctor`: a line a part, the remedy where it is at fault, and 1 at the end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from loginwatch import health
from tests.workflows.risk_service import risk_service
from workflows.breakers import OPENS_AFTER, Call


def doctor(*parts: str) -> int:
    try:
        call_command("doctor", *parts)
    except SystemExit as ended:
        return int(str(ended.code))
    return 0


@pytest.mark.django_db
def test_what_is_there_is_said_to_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    health.record_heartbeat()

    assert doctor("database", "migrations", "result backend", "mail", "beat") == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("ok") for line in lines)


@pytest.mark.django_db
def test_each_part_that_is_not_there_is_a_line_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor() == 1

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(health.PROBES)
    faults = {part for part in health.PROBES for line in lines if line.startswith("FAULT") and f" {part} " in line}
    assert faults == {"broker", "workers", "queues", "risk service", "beat"}
    assert all("→" in line for line in lines if line.startswith("FAULT"))


@pytest.mark.django_db
def test_a_heartbeat_that_stopped_is_a_fault() -> None:
    cache.set(health.HEARTBEAT_KEY, timezone.now() - timedelta(minutes=1), timeout=None)

    assert doctor("beat") == 1


def test_a_risk_service_that_errs_is_a_fault(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with risk_service() as service:
        settings.RISK_API_URL = service.url

        assert doctor("risk service") == 1

    assert "answers 501" in capsys.readouterr().out


@pytest.mark.django_db
def test_an_open_breaker_is_a_fault_that_mends_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor("breakers") == 0
    for _ in range(OPENS_AFTER):
        Call("risk.example.com:8001").failed("no answer")

    assert doctor("breakers") == 1

    said = capsys.readouterr().out
    assert "risk.example.com:8001 is left alone since 20" in said
    assert "it is asked again at" in said
    assert "go on by themselves" in said


def test_a_part_that_there_is_not_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor("weather") == 2
    assert "No such part: weather" in capsys.readouterr().err
