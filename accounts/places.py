"""Approximate places of IP addresses, from the MaxMind database that GEOIP_DATABASE names."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import geoip2.database
import geoip2.errors
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
    reader = _reader(settings.GEOIP_DATABASE)
    try:
        if "City" in reader.metadata().database_type:
            answer = reader.city(ip)
            city = answer.city.name
            country = answer.country
        else:
            city = None
            country = reader.country(ip).country
    except (geoip2.errors.AddressNotFoundError, ValueError):  # ValueError: IPv6 in a database of IPv4 alone
        return Place()
    name = ", ".join(part for part in (city, country.name) if part)
    return Place(country=country.iso_code or "", name=name[:PLACE_LENGTH])


@functools.lru_cache(maxsize=4)
def _reader(path: Path) -> geoip2.database.Reader:
    return geoip2.database.Reader(path)
