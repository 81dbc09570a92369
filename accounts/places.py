"""Approximate places of IP addresses, from the MaxMind database that GEOIP_DATABASE names."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import maxminddb
from django.conf import settings

from accounts.models import PLACE_LENGTH


@dataclass(frozen=True)
class Place:
    """``country`` is an ISO 3166 alpha-2 code; both are "" where nothing is known."""

    country: str = ""
    name: str = ""


def place_of(ip: str | None) -> Place:
    """Where ``ip`` is, as well as the database knows; nothing without an address or a database."""
    if ip is None or settings.GEOIP_DATABASE is None:
        return Place()
    try:
        record = _reader(settings.GEOIP_DATABASE).get(ip)
    except ValueError:  # IPv6 in a database of IPv4 alone
        return Place()
    country = _part(record, "country")
    name = ", ".join(filter(None, [_english(_part(record, "city")), _english(country)]))
    return Place(country=str(country.get("iso_code", "")), name=name[:PLACE_LENGTH])


def _part(record: object, key: str) -> dict[str, Any]:
    """What a record says under ``key``; a Country database has no cities, and either may know nothing."""
    part = record.get(key) if isinstance(record, dict) else None
    return part if isinstance(part, dict) else {}


def _english(part: dict[str, Any]) -> str:
    return str(_part(part, "names").get("en", ""))


@functools.lru_cache(maxsize=4)
def _reader(path: Path) -> maxminddb.Reader:
    return maxminddb.open_database(path)
