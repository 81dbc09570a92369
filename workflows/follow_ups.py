"""Following up notices of high risk: when that is due, the task is published a moment ahead, with its exact time.

What is to be followed up, and when, is in the database. The message with its ``eta`` is only the last stretch: a
worker keeps such messages in its memory until their time, and they go with it. A day's worth of them would be lost
with each worker that is replaced; so each minute those of the next two are published, and again until they are done.
"""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from accounts import follow_ups, notices
from accounts.models import Notice
from workflows import about, notifying
from workflows.alerting.alerts import raise_alert
from workflows.models import Alert

# Twice as far as from one look to the next: one that is lost or late leaves out nobody.
LOOK_AHEAD = timedelta(minutes=2)
# A copy that has waited so long behind others does nothing that a later copy would not.
WORTHLESS_AFTER = timedelta(hours=1)
# What is beyond is published a minute later.
MOST_A_LOOK = 1000


def publish_due() -> int:
    """Publish what is to be followed up within LOOK_AHEAD, and what should have been; returns how many."""
    now = timezone.now()
    due = follow_ups.due_before(now + LOOK_AHEAD, MOST_A_LOOK)
    for notice in due:
        at = notice.follow_up_at or now
        follow_up.apply_async((notice.pk,), eta=at, expires=max(at, now) + WORTHLESS_AFTER)
    return len(due)


@shared_task(ignore_result=True, soft_time_limit=notifying.SOFT_TIME_LIMIT, time_limit=notifying.TIME_LIMIT)
def follow_up(notice_id: int) -> bool:
    """Ask again about a sign-in that nobody answered for, and tell the operators; once, however often it comes."""
    with transaction.atomic():
        second = follow_ups.claim(notice_id)
        if second is None:
            return False
        _alert(second)
    try:
        return notices.deliver(second)
    except (notices.MailServerAway, notices.MailNotMade):
        return False  # as every mail that was handed over, it is tried again


def _alert(second: Notice) -> None:
    sign_in, run = second.follow_up_of.sign_in, about.run_of(second)
    text = f"{sign_in.user.username} has not answered for a sign-in from {sign_in.ip_address or 'an unknown address'}"
    raise_alert(Alert.Kind.UNANSWERED, text, run.pk if run else None)
