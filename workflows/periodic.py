"""Tasks that beat calls again and again (CELERY_BEAT_SCHEDULE in the settings)."""

from __future__ import annotations

from celery import shared_task

from accounts import notices
from workflows import recovery, runs


@shared_task(ignore_result=True)
def recover() -> int:
    return recovery.recover_runs()


@shared_task(ignore_result=True, soft_time_limit=600, time_limit=660)
def deliver_notices() -> int:
    """Send the notices that were handed over and are due, and make good the runs that waited for them."""
    delivered = notices.deliver_due_notices()
    for notice in delivered:
        runs.mark_notice_delivered(notice.sign_in_id)
    return len(delivered)
