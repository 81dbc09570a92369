"""Tasks that beat calls again and again (CELERY_BEAT_SCHEDULE in the settings)."""

from __future__ import annotations

from typing import cast

from celery import current_app, shared_task

from accounts import notices
from workflows import alerts, missed_calls, recovery, retention, runs
from workflows.result_backend import ResultBackend


@shared_task(ignore_result=True)
def recover() -> int:
    """Have runs go on that stand still, and have what runs that failed were to do done."""
    recovered = recovery.recover_runs()
    missed_calls.make_up_missed_calls()
    return recovered


@shared_task(ignore_result=True)
def publish_due_chords() -> int:
    """Of any canvas whose group has ended while nobody could publish what follows it."""
    return cast(ResultBackend, current_app.backend).publish_due_chords()


# Shorter than the time for which a round claims a notice (notices.FIRST_DELAY): no two rounds send the same.
@shared_task(ignore_result=True, soft_time_limit=100, time_limit=120)
def deliver_notices() -> int:
    """Send the notices that were handed over and are due, and mend the runs that waited for them."""
    delivered = notices.deliver_due_notices()
    runs.mend_degraded_runs()
    return len(delivered)


# Shorter than the pause between two mails (alerts.PAUSE), which is also the claim of the one that sends.
@shared_task(ignore_result=True, soft_time_limit=40, time_limit=45)
def tell_operators() -> int:
    return alerts.tell_operators()


# Often and for a moment: behind it in the queue waits what keeps the site going.
@shared_task(ignore_result=True)
def prune() -> int:
    return retention.delete_due(seconds=5).total()
