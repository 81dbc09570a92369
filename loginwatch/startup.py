"""No process serves a site whose system checks fail: web, worker and beat all refuse, in the same words."""

from __future__ import annotations

from typing import Any

from celery.signals import beat_init, worker_init
from django.core.management.base import BaseCommand, SystemCheckError


@worker_init.connect
@beat_init.connect
def refuse_failing_checks(**kwargs: Any) -> None:
    """Raises SystemExit, which prints what the checks found and no traceback."""
    try:
        BaseCommand().check()
    except SystemCheckError as error:
        raise SystemExit(f"loginwatch: {error}") from None
