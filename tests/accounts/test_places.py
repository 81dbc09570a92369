"""Approximate places of addresses, from real database files made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from pytest_django import Settings

from accounts.models import PLACE_LENGTH, User
from accounts.places import Place, place_of
from tests.accounts.browser import Browser, decide

GB = {"country": {"iso_code": "GB", "names": {"en": "United Kingdom", "de": "Vereinigtes Königreich"}}}
LONDON = GB | {"city": {"names": {"en": "London"}}}
COUNTRY_ONLY = GB
NOWHERE: dict[str, Any] = {"location": {"latitude": 0.0}}
LONG = GB | {"city": {"names": {"en": "L" * 200}}}
RECORDS = {
    "81.2.69.0/24": LONDON,
    "81.2.70.0/24": COUNTRY_ONLY,
    "81.2.71.0/24": NOWHERE,
    "81.2.72.0/24": LONG,
}
RECORDS_IPV6 = {"2a02:1::/32": LONDON}


@pytest.fixture
def make_database(settings: Settings, tmp_path: Path) -> Callable[..., None]:
    """Makes a database file of a type, and has the site read it."""

    def make(database_type: str, ip_version: int = 6) -> None:
        writer = MMDBWriter(ip_version=ip_version, database_type=database_type, ipv4_compatible=ip_version == 6)
        for network, record in (RECORDS | (RECORDS_IPV6 if ip_version == 6 else {})).items():
            writer.insert_network(IPSet([network]), record)
        settings.GEOIP_DATABASE = tmp_path / "places.mmdb"
        writer.to_db_file(str(settings.GEOIP_DATABASE))

    return make


def test_without_a_database_no_place_is_known() -> None:
    assert place_of("81.2.69.142") == Place("", "")


@pytest.mark.parametrize("database_type", ["GeoLite2-City", "GeoIP2-City", "DBIP-City-Lite"])
@pytest.mark.parametrize(
    ("ip", "place"),
    [
        ("81.2.69.142", Place("GB", "London, United Kingdom")),
        ("2a02:1::7", Place("GB", "London, United Kingdom")),
        ("81.2.70.1", Place("GB", "United Kingdom")),
        ("81.2.71.1", Place("", "")),
        ("81.2.72.1", Place("GB", ("L" * 200)[:PLACE_LENGTH])),
        ("203.0.113.7", Place("", "")),
        ("127.0.0.1", Place("", "")),
        ("2001:db8::7", Place("", "")),
        (None, Place("", "")),
    ],
)
def test_a_city_database_names_city_and_country(
    make_database: Callable[..., None], database_type: str, ip: str | None, place: Place
) -> None:
    make_database(database_type)

    assert place_of(ip) == place


@pytest.mark.parametrize("database_type", ["GeoLite2-Country", "DBIP-Country-Lite"])
@pytest.mark.parametrize(
    ("ip", "place"),
    [
        ("81.2.70.1", Place("GB", "United Kingdom")),
        ("81.2.71.1", Place("", "")),
        ("203.0.113.7", Place("", "")),
    ],
)
def test_a_country_database_names_the_country(
    make_database: Callable[..., None], database_type: str, ip: str, place: Place
) -> None:
    make_database(database_type)

    assert place_of(ip) == place


def test_a_database_of_ipv4_alone_knows_no_place_of_an_ipv6_address(make_database: Callable[..., None]) -> None:
    make_database("GeoLite2-City", ip_version=4)

    assert place_of("81.2.69.142").country == "GB"
    assert place_of("2a02:1::7") == Place("", "")


def test_a_sign_in_has_its_place(make_database: Callable[..., None], alice: User) -> None:
    make_database("GeoLite2-City")
    sign_in = decide(Browser(ip="81.2.69.142").sign_in(alice))

    assert (sign_in.country, sign_in.place) == ("GB", "London, United Kingdom")


def test_a_sign_in_from_nowhere_is_decided_all_the_same(make_database: Callable[..., None], alice: User) -> None:
    make_database("GeoLite2-City")
    sign_in = decide(Browser(ip="").sign_in(alice))

    assert (sign_in.device_status, sign_in.country, sign_in.place) == ("new", "", "")
