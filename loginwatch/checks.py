"""System checks: what would endanger the site, each with its remedy."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@register(Tags.security)
def check_demo_mode(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Demo mode has accounts with a published password: it may not face a network."""
    if settings.LOGINWATCH_DEMO and not settings.DEBUG and not is_loopback(settings.HOST):
        return [
            Error(
                f"Demo mode is on, DEBUG is off, and the site would listen on {settings.HOST}.",
                hint="Unset LOGINWATCH_DEMO, or set HOST=127.0.0.1: the demo accounts' password is public.",
                id="loginwatch.E001",
            )
        ]
    return []


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
