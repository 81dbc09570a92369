"""The mail at the end of a job, where it cannot go out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core import mail
from django.utils import timezone

from accounts.models import User
from tests.bulk.conftest import work_off
from workflows.bulk import finishing, turns
from workflows.bulk.models import BulkJob, BulkLane

Queue = Callable[..., BulkJob]
State = BulkJob.State


def test_where_who_asked_for_the_job_is_gone_by_its_end_no_mail_is_due_any_longer(
    people: list[User], queue: Queue, make_operator: Callable[..., User], sent: list[tuple[Any, ...]]
) -> None:
    carol = make_operator("carol", "bulk_sign_out")
    job = queue("sign_out", by=carol)
    while lane := BulkLane.objects.filter(job=job, due_at__isnull=False).first():
        turns.take_turn(job.pk, lane.number, lane.turn)
    carol.delete()

    finishing.finish(job.pk)

    job.refresh_from_db()
    assert (job.state, job.mail_due_at, mail.outbox) == (State.FINISHED, None, [])
    sent.clear()
    finishing.finish_due()
    assert sent == []


def test_a_mail_that_cannot_be_written_is_given_up_after_a_day(people: list[User], queue: Queue, admin: User) -> None:
    User.objects.filter(pk=admin.pk).update(email="admin@example.com\nBcc: all@example.com")
    job = work_off(queue("sign_out"))
    assert job.state == State.FINISHED
    assert job.mail_due_at

    BulkJob.objects.update(finished_at=timezone.now() - timedelta(hours=25), mail_due_at=timezone.now())
    finishing.finish(job.pk)

    job.refresh_from_db()
    assert job.mail_due_at is None
    assert job.mailed_at is None
