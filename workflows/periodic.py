"""Tasks that beat calls again and again (CELERY_BEAT_SCHEDULE in the settings)."""

from __future__ import annotations

from typing import cast

from celery import current_app, shared_task

from accounts import notices
from workflows import figures, follow_ups, mailing, missed_calls, recovery, retention, runs
from workflows.alerting import alerts, stuck, webhook
from workflows.results.backend import ResultBackend


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
    if delivered:
        mailing.note_sent()
    runs.mend_degraded_runs()
    return len(delivered)


@shared_task(ignore_result=True)
def schedule_follow_ups() -> int:
    return follow_ups.publish_due()


# Shorter than the claim of the one that sends (episodes.CLAIMED); and between the two there is time to part from a mail
# server that is silent (notifying.SOFT_TIME_LIMIT).
@shared_task(ignore_result=True, soft_time_limit=30, time_limit=45)
def tell_operators() -> int:
    return alerts.tell_operators()


# As short as that, for the same reason.
@shared_task(ignore_result=True, soft_time_limit=40, time_limit=45)
def post_alerts() -> int:
    return webhook.post_alerts()


@shared_task(ignore_result=True)
def look_for_stuck_runs() -> int:
    return stuck.look_for_stuck_runs()


# Often and for a moment: behind it in the queue waits what keeps the site going.
@shared_task(ignore_result=True)
def prune() -> int:
    return retention.delete_due(seconds=5).total()


# The first time, it counts all there is: that takes as long as it takes, and a worker's other processes go on.
@shared_task(ignore_result=True, soft_time_limit=540, time_limit=600)
def roll_up() -> int:
    return figures.roll_up()
