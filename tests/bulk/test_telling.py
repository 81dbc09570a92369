"""The mail at the end of a job, where it cannot go out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core import mail
from django.template import TemplateSyntaxError
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


@pytest.mark.parametrize("error", [SoftTimeLimitExceeded(), TemplateSyntaxError("it is wrong")])
def test_a_mail_is_given_up_after_a_day_whatever_ends_its_attempts(
    people: list[User], queue: Queue, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(*args: Any) -> None:
        raise error

    monkeypatch.setattr(finishing, "_send", send)
    with pytest.raises(type(error)):
        work_off(queue("sign_out"))
    job = BulkJob.objects.get()
    assert job.mail_due_at

    BulkJob.objects.update(finished_at=timezone.now() - timedelta(hours=25), mail_due_at=timezone.now())
    with pytest.raises(type(error)):
        finishing.finish(job.pk)

    job.refresh_from_db()
    assert job.mail_due_at is None
    assert job.mailed_at is None


def test_a_mail_that_comes_to_its_turn_only_after_a_day_is_tried_once(people: list[User], queue: Queue) -> None:
    job = queue("sign_out")
    while lane := BulkLane.objects.filter(job=job, due_at__isnull=False).first():
        turns.take_turn(job.pk, lane.number, lane.turn)
    yesterday = timezone.now() - timedelta(hours=25)
    BulkJob.objects.update(state=State.FINISHED, finished_at=yesterday, mail_due_at=yesterday)

    finishing.finish(job.pk)

    job.refresh_from_db()
    assert len(mail.outbox) == 1
    assert (job.mail_due_at, job.mailed_at is None) == (None, False)
