"""The system checks: what they refuse, and with which remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.checks import run_checks
from mmdb_writer import MMDBWriter
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


def test_demo_mode_without_debugging_may_not_stand_behind_a_proxy_that_faces_one(settings: Settings) -> None:
    demo = {"LOGINWATCH_DEMO": True, "DEBUG": False, "HOST": "127.0.0.1", "SERVED_OVER_HTTPS": True}

    assert found(settings, **demo, SITE_HOST="example.com") == {"loginwatch.E001"}


def test_demo_mode_that_faces_a_network_while_debugging_is_warned_of(settings: Settings) -> None:
    assert found(settings, LOGINWATCH_DEMO=True, DEBUG=True, HOST="0.0.0.0") == {"loginwatch.W001"}  # noqa: S104


def test_outside_debugging_the_sites_address_has_to_be_https(settings: Settings) -> None:
    plain = {"DEBUG": False, "SITE_URL": "http://example.com", "SITE_HOST": "example.com"}

    assert found(settings, **plain, SERVED_OVER_HTTPS=False) == {"loginwatch.E002"}
    assert found(settings, **plain, SERVED_OVER_HTTPS=True) == set()


@pytest.mark.parametrize(
    ("kind", "refused"), [("GeoLite2-City", False), ("DBIP-Country-Lite", False), ("GeoLite2-ASN", True)]
)
def test_a_geoip_database_has_to_have_places(settings: Settings, tmp_path: Path, kind: str, refused: bool) -> None:
    database = tmp_path / "some.mmdb"
    MMDBWriter(database_type=kind).to_db_file(str(database))

    settings.GEOIP_DATABASE = database
    assert ("loginwatch.E003" in {message.id for message in run_checks()}) == refused


def test_a_geoip_database_has_to_be_one(settings: Settings, tmp_path: Path) -> None:
    settings.GEOIP_DATABASE = tmp_path / "some.mmdb"
    settings.GEOIP_DATABASE.write_bytes(b"not a database")

    assert "loginwatch.E003" in {message.id for message in run_checks()}
