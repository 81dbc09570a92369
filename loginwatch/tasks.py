"""Tasks of the site itself."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import beat_init

from loginwatch import health


@shared_task(ignore_result=True)
def heartbeat() -> None:
    """Scheduled by beat: that it arrives shows that beat, the broker and a worker are up."""
    health.record_heartbeat()


@beat_init.connect
def heartbeat_at_start(**kwargs: Any) -> None:
    """Beat calls a task for the first time after its interval; until then it would seem to be missing."""
    heartbeat.delay()
