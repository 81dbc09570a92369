"""A job goes with what it says of people as long after its end as sign-ins do, a batch at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts import retention as accounts_retention
from accounts.models import User
from tests.bulk.conftest import work_off
from tests.workflows.old_runs import KEPT, LONG_AGO, prune
from workflows import retention
from workflows.bulk import jobs, upkeep
from workflows.bulk.models import BulkChunk, BulkFailure, BulkJob

Queue = Callable[..., BulkJob]
MakeEnded = Callable[..., BulkJob]
State = BulkJob.State
WHOLE = {"workflows.BulkJob": 1, "workflows.BulkLane": 2}


@pytest.fixture
def make_ended(people: list[User], queue: Queue, settings: Settings) -> MakeEnded:
    """Makes a job that ended so many days ago with so many rows that failed, whose chunks have gone."""
    settings.RETENTION_SIGN_INS_DAYS = KEPT

    def make(days: float = LONG_AGO, state: State = State.FINISHED, failures: int = 0) -> BulkJob:
        job = work_off(queue("sign_out"))
        BulkFailure.objects.bulk_create(
            BulkFailure(job=job, row=str(row), reason=f"550 no such person{row}@example.com") for row in range(failures)
        )
        job.chunks.all().delete()
        return end(job, days, state=state, failed=failures)

    return make


def end(job: BulkJob, days: float, **fields: object) -> BulkJob:
    BulkJob.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(days=days), **fields)
    job.refresh_from_db()
    return job


@pytest.mark.parametrize("state", BulkJob.ENDED)
def test_a_job_goes_with_its_failures_however_it_ended_and_a_younger_one_stays(
    make_ended: MakeEnded, state: State
) -> None:
    make_ended(KEPT + 1, state, failures=3)
    younger = make_ended(KEPT - 1, state, failures=1)
    due = {**WHOLE, "workflows.BulkFailure": 3}

    assert retention.count_due() == due
    assert prune() == due
    assert BulkJob.objects.get() == younger
    assert younger.failures.count() == 1


@pytest.mark.parametrize("state", [State.WAITING, *BulkJob.ACTIVE])
def test_one_that_has_not_ended_stays(queue: Queue, make_ended: MakeEnded, state: State) -> None:
    job = queue("sign_out")
    BulkJob.objects.filter(pk=job.pk).update(state=state, created_at=timezone.now() - timedelta(days=LONG_AGO))

    assert not retention.count_due()
    assert not prune()


def test_its_failures_go_a_batch_a_transaction_and_it_with_the_last(
    make_ended: MakeEnded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts_retention, "BATCH", 2)
    make_ended(LONG_AGO, failures=1)
    first = make_ended(LONG_AGO + 1, failures=3)

    deleted = [upkeep.delete_old_job() for _ in range(3)]

    assert deleted == [{"workflows.BulkFailure": 2}, {"workflows.BulkFailure": 1}, WHOLE]
    assert not BulkJob.objects.filter(pk=first.pk).exists()
    assert BulkFailure.objects.count() == 1


def test_chunks_go_before_their_job(make_ended: MakeEnded, queue: Queue) -> None:
    job = end(work_off(queue("export_users")), LONG_AGO)

    assert not prune()
    while upkeep.delete_old_chunks():
        pass
    assert not BulkChunk.objects.exists()
    assert prune() == WHOLE
    assert not BulkJob.objects.filter(pk=job.pk).exists()


def test_where_sign_ins_are_kept_for_a_day_a_job_can_still_go_on_for_a_week(
    make_ended: MakeEnded, queue: Queue, settings: Settings, admin: User
) -> None:
    settings.RETENTION_SIGN_INS_DAYS = 1
    job = queue("sign_out")
    jobs.stop(job, by=admin)
    end(job, 6.9)

    assert not prune()

    jobs.go_on(job, by=admin)
    assert work_off(job).state == State.FINISHED


def test_for_ever(make_ended: MakeEnded, settings: Settings) -> None:
    make_ended(failures=1)
    settings.RETENTION_SIGN_INS_DAYS = 0

    assert prune() == Counter()


def test_what_fails_is_not_retried_once_its_rows_may_be_gone(make_ended: MakeEnded, admin: User) -> None:
    jobs.retry_failed(make_ended(KEPT - 1, failures=1), by=admin)
    with pytest.raises(jobs.Refused, match="which rows failed is kept no longer"):
        jobs.retry_failed(make_ended(KEPT + 1, failures=1), by=admin)


def test_a_job_whose_failed_rows_are_just_being_retried_stays(
    make_ended: MakeEnded, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_ended(failures=1)

    def wait_for_who_retries(job: BulkJob) -> None:
        BulkJob.objects.filter(pk=job.pk).update(state=State.PREPARING, finished_at=None)

    monkeypatch.setattr("workflows.bulk.lanes.lock", wait_for_who_retries)

    assert not prune()
    assert job.failures.count() == 1
