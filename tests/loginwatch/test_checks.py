"""The system checks: what they refuse, and with which remedy."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks
from pytest_django import Settings


def found(settings: Settings, **values: object) -> set[str]:
    for name, value in values.items():
        setattr(settings, name, value)
    return {
        message.id for message in run_checks(tags=["security"]) if message.id and message.id.startswith("loginwatch")
    }


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.53"])
def test_demo_mode_without_debugging_may_run_on_loopback(settings: Settings, host: str) -> None:
    assert found(settings, LOGINWATCH_DEMO=True, DEBUG=False, HOST=host, SITE_HOST="localhost") == set()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])  # noqa: S104
def test_demo_mode_without_debugging_may_not_face_a_network(settings: Settings, host: str) -> None:
    found_ids = found(settings, LOGINWATCH_DEMO=True, DEBUG=False, HOST=host, SITE_HOST="localhost")

    assert found_ids == {"loginwatch.E001"}


def test_outside_debugging_the_sites_address_has_to_be_https(settings: Settings) -> None:
    plain = {"DEBUG": False, "SITE_URL": "http://example.com", "SITE_HOST": "example.com"}

    assert found(settings, **plain, SERVED_OVER_HTTPS=False) == {"loginwatch.E002"}
    assert found(settings, **plain, SERVED_OVER_HTTPS=True) == set()
