"""Stopped and gone on with at once, while a process is in the middle of a row: nobody gets a mail twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from tests.bulk.conftest import work_off
from workflows.bulk import jobs, lanes, registry, turns, working
from workflows.bulk.lanes import Turn
from workflows.bulk.models import BulkJob, BulkLane
from workflows.bulk.registry import Action, Did, RowFailed, Work

Queue = Callable[..., BulkJob]
State = BulkJob.State


class Killed(BaseException):
    pass


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[BulkJob], None]]:
    """What happens to the job once, after person03 has got a post of the action "post" and before that is noted."""
    happens: list[Callable[[BulkJob], None]] = []

    def post(user: User, work: Work) -> Did:
        User.objects.filter(pk=user.pk).update(last_name=user.last_name + "x")
        if user.username == "person01":
            raise RowFailed("it is wrong")
        if user.username == "person03" and happens:
            happens.pop()(work.job)
        return Did.DONE

    action = Action("post", "post", User, "bulk_sign_out", post, "", outside=True)
    monkeypatch.setitem(registry._actions, "post", action)
    return happens


@pytest.fixture
def job(people: list[User], queue: Queue, between: list[Any]) -> BulkJob:
    """Its rows are selected."""
    job = queue("post")
    take_turn(job)
    job.refresh_from_db()
    return job


def take_turn(job: BulkJob, lane: int = 0) -> None:
    turns.take_turn(job.pk, lane, lane_of(job, lane).turn)


def lane_of(job: BulkJob, number: int = 0) -> BulkLane:
    return BulkLane.objects.get(job=job, number=number)


def posts() -> set[int]:
    """How many each person has got."""
    return {len(user.last_name) for user in User.objects.filter(username__startswith="person")}


def test_a_row_that_is_under_way_meanwhile_is_done_once(
    job: BulkJob, between: list[Callable[[BulkJob], None]], admin: User
) -> None:
    def stop_and_go_on(job: BulkJob) -> None:
        jobs.stop(job, by=admin)
        jobs.go_on(job, by=admin)

    between.append(stop_and_go_on)
    take_turn(job)

    job = work_off(job)

    assert (job.state, job.done, job.failed) == (State.FINISHED, 11, 1)
    assert posts() == {1}


def test_no_message_is_published_for_a_lane_that_is_held_and_one_for_each_that_is_free(
    job: BulkJob, admin: User, sent: list[tuple[Any, ...]], django_capture_on_commit_callbacks: Any
) -> None:
    held = lanes.take(Turn(job.pk, 0, lane_of(job).turn))
    BulkLane.objects.filter(job=job, number=1).update(due_at=None)
    jobs.stop(job, by=admin)
    with django_capture_on_commit_callbacks(execute=True):
        jobs.go_on(job, by=admin)

    assert held
    assert lane_of(job).turn == held.number
    assert sent == [("work", str(job.pk), 1, lane_of(job, 1).turn)]


def test_a_lane_that_finds_the_job_stopped_is_free_from_that_moment(
    job: BulkJob, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.stop(job, by=admin)
    work = working.work

    def work_and_then_it_goes_on(job: BulkJob, turn: Turn) -> bool:
        is_more = work(job, turn)
        jobs.go_on(job, by=admin)
        return is_more

    with monkeypatch.context() as patch:
        patch.setattr(working, "work", work_and_then_it_goes_on)
        take_turn(job)
    assert lane_of(job).due_at

    assert work_off(job).done == 11
    assert posts() == {1}


def test_a_lane_whose_process_was_killed_goes_on_once_its_lease_is_over(
    job: BulkJob, between: list[Callable[[BulkJob], None]], admin: User
) -> None:
    def be_killed(job: BulkJob) -> None:
        raise Killed

    between.append(be_killed)
    with pytest.raises(Killed):
        take_turn(job)
    jobs.stop(job, by=admin)
    jobs.go_on(job, by=admin)
    assert lanes.revive_due() == 0

    BulkLane.objects.filter(job=job, number=0).update(due_at=timezone.now())
    assert lanes.revive_due() == 1

    assert work_off(job).processed == 12


def test_failed_rows_are_not_retried_before_what_is_under_way_has_ended(
    job: BulkJob, between: list[Callable[[BulkJob], None]], admin: User
) -> None:
    refusals = []

    def stop_and_retry(job: BulkJob) -> None:
        BulkJob.objects.filter(pk=job.pk).update(failed=1)  # of an earlier message
        jobs.stop(job, by=admin)
        with pytest.raises(jobs.Refused) as refused:
            jobs.retry_failed(job, by=admin)
        refusals.append(str(refused.value))
        BulkJob.objects.filter(pk=job.pk).update(failed=0)

    between.append(stop_and_retry)
    take_turn(job)
    assert refusals == ["The job is only just being stopped. Retry the failed rows in a minute."]

    take_turn(job, 1)
    jobs.retry_failed(job, by=admin)


def test_a_stopped_job_that_may_go_on_is_the_same_job_as_another_of_its_kind(job: BulkJob, admin: User) -> None:
    jobs.stop(job, by=admin)
    same = {"selection": job.selection, "parameters": job.parameters}
    assert jobs.twin_of(registry.get("post"), **same) == job

    long_ago = timezone.now() - timedelta(days=8)  # from then on nothing is left of it to go on with
    BulkJob.objects.filter(pk=job.pk).update(finished_at=long_ago)
    assert jobs.twin_of(registry.get("post"), **same) is None


def test_a_job_does_not_go_on_while_the_same_is_under_way(job: BulkJob, queue: Queue, admin: User) -> None:
    jobs.stop(job, by=admin)
    for lane in (0, 1):  # their last turns, of a job that was stopped
        take_turn(job, lane)
    BulkJob.objects.filter(pk=job.pk).update(failed=1)
    other = queue("post")

    for go_on in (jobs.go_on, jobs.retry_failed):  # to retry what failed is to go on with the others, too
        with pytest.raises(jobs.Refused, match=f"The same job is there already, selecting its rows: {other.pk}."):
            go_on(job, by=admin)

    jobs.stop(other, by=admin)
    jobs.go_on(job, by=admin)
    job.refresh_from_db()
    assert job.state == State.RUNNING
