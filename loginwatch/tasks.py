"""Tasks of the site itself."""

from __future__ import annotations

from celery import shared_task

from loginwatch import health


@shared_task(ignore_result=True)
def heartbeat() -> None:
    """Scheduled by beat: that it arrives shows that beat, the broker and a worker are up."""
    health.record_heartbeat()
