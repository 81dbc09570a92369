"""System checks: what would endanger the site, each with its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import maxminddb
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

from loginwatch.environment import is_loopback


@register(Tags.security)
def check_demo_mode(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Demo mode has accounts with a published password: it may not face a network."""
    if not settings.LOGINWATCH_DEMO or (is_loopback(settings.HOST) and is_loopback(settings.SITE_HOST)):
        return []
    problem = f"Demo mode is on, and the site would be reached on {settings.HOST} as {settings.SITE_URL}."
    hint = "Unset LOGINWATCH_DEMO, or keep HOST and SITE_URL on 127.0.0.1: the demo accounts' password is public."
    if settings.DEBUG:
        return [CheckWarning(problem, hint=hint, id="loginwatch.W001")]
    return [Error(problem, hint=hint, id="loginwatch.E001")]


@register(Tags.security)
def check_site_url(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Cookies are Secure when the site's address is https, so outside debugging it has to be."""
    if settings.DEBUG or settings.SERVED_OVER_HTTPS or is_loopback(settings.SITE_HOST):
        return []
    return [
        Error(
            f"SITE_URL is {settings.SITE_URL}: passwords and sessions would cross the network in the clear.",
            hint="Serve the site over https and set SITE_URL to that address.",
            id="loginwatch.E002",
        )
    ]


@register()
def check_geoip_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A database of another kind has no places in it, and every sign-in would fail on it."""
    if settings.GEOIP_DATABASE is None:
        return []
    try:
        with maxminddb.open_database(settings.GEOIP_DATABASE) as reader:
            kind = reader.metadata().database_type
    except maxminddb.InvalidDatabaseError:
        kind = "not a MaxMind database"
    if "City" in kind or "Country" in kind:
        return []
    return [
        Error(
            f"GEOIP_DATABASE is {kind}: it holds no places.",
            hint="Name a City or Country database, such as GeoLite2-City.mmdb, or unset GEOIP_DATABASE.",
            id="loginwatch.E003",
        )
    ]
