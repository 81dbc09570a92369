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
    if settings.OPERATOR_EMAILS:
        return []
    return [
        CheckWarning(
            "OPERATOR_EMAILS is not set: nobody is told of runs that failed.",
            hint="Set it to the e-mail addresses of those who run the site. Alerts are in the log and the admin alone.",
            id="workflows.W001",
        )
    ]
