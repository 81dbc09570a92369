"""A system check: whether somebody is told of alerts (alerts.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning


@register()
def check_operators(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A warning only: the site does its work, and alerts are in the log and in the admin."""
    if settings.OPERATOR_EMAILS or settings.OPERATOR_WEBHOOK_URL:
        return []
    return [
        CheckWarning(
            "Neither OPERATOR_EMAILS nor OPERATOR_WEBHOOK_URL is set: nobody is told of runs that failed.",
            hint="Set one to the e-mail addresses of those who run the site, or to a program that tells them. "
            "Alerts are in the log and the admin alone.",
            id="workflows.W001",
        )
    ]
