"""A selection that cannot be read in time ends its job, which says so."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tests.bulk.conftest import work_off
from tests.markup import Page
from workflows.bulk import finishing, jobs, lanes, registry, selection, snapshot, turns, working
from workflows.bulk.models import BulkJob, BulkLane
from workflows.bulk.registry import Action, RowFailed

Queue = Callable[..., BulkJob]
State = BulkJob.State
WHY = "Its selection could not be read in time, in 6 attempts: narrow the filter."


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "CHUNK", 5)


def break_off(error: Exception) -> Callable[..., Any]:
    """As a time limit does in the middle of a statement."""

    def do(*args: Any) -> Any:
        raise error

    return do


def attempt(job: BulkJob) -> None:
    """The next message of the first lane, when the sweep has found that the last one came to nothing."""
    BulkLane.objects.filter(job=job, number=0).update(due_at=timezone.now())
    lanes.revive_due()
    turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)


@pytest.mark.parametrize("where", [(selection, "selected"), (snapshot, "_next_selected")])
@pytest.mark.parametrize("error", [SoftTimeLimitExceeded(), OperationalError("canceling statement")])
def test_a_filter_that_takes_too_long_each_time_ends_the_job_which_tells_why(
    people: list[User],
    queue: Queue,
    admin: User,
    client: Client,
    where: tuple[Any, str],
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = queue("sign_out")
    with monkeypatch.context() as patch:
        patch.setattr(*where, break_off(error))
        for _ in range(working.GIVEN_UP_AFTER):
            with pytest.raises(type(error)):
                attempt(job)
        job.refresh_from_db()
        assert job.state == State.PREPARING
        attempt(job)
    finishing.finish_due()
    finishing.finish(job.pk)
    finishing.finish(job.pk)

    job.refresh_from_db()
    assert (job.state, job.error, job.total) == (State.FAILED, WHY, 0)
    (told,) = mail.outbox
    assert (told.to, told.subject) == ([admin.email], "Loginwatch: Sign out everywhere: could not be done")
    assert WHY in told.body
    assert "Nothing matched" not in told.body
    client.force_login(admin)
    assert WHY in Page(client.get(f"/admin/workflows/bulkjob/{job.pk}/change/").content.decode()).text
    with pytest.raises(CommandError, match=f"The job is failed. {WHY}"):
        call_command("bulk", "follow", str(job.pk), stdout=StringIO())


def test_attempts_at_one_chunk_are_none_at_the_next(
    people: list[User], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue("sign_out")
    slow = break_off(SoftTimeLimitExceeded())
    whole = snapshot._next_selected

    def first_alone(job: BulkJob, rows: Any) -> list[str]:
        monkeypatch.setattr(snapshot, "_next_selected", slow)
        return whole(job, rows)

    for _ in range(2):
        for _ in range(working.GIVEN_UP_AFTER - 1):
            monkeypatch.setattr(snapshot, "_next_selected", slow)
            with pytest.raises(SoftTimeLimitExceeded):
                attempt(job)
        monkeypatch.setattr(snapshot, "_next_selected", first_alone)
        with pytest.raises(SoftTimeLimitExceeded):
            attempt(job)
    monkeypatch.setattr(snapshot, "_next_selected", whole)

    job = work_off(job)

    assert (job.state, job.total) == (State.FINISHED, 12)


def test_failed_rows_that_are_put_into_chunks_again_are_not_given_up(
    people: list[User], queue: Queue, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        whole = registry.get("ask_password")
        failing = Action(**{**whole.__dict__, "do": break_off(RowFailed("it is wrong"))})
        patch.setitem(registry._actions, whole.name, failing)
        job = work_off(queue("ask_password"))
    assert job.failed == 12
    jobs.retry_failed(job, by=admin)
    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "_next_failed", break_off(SoftTimeLimitExceeded()))
        for _ in range(working.GIVEN_UP_AFTER + 2):
            with pytest.raises(SoftTimeLimitExceeded):
                attempt(job)

    job = work_off(job)

    assert (job.state, job.done, job.failed) == (State.FINISHED, 12, 0)
