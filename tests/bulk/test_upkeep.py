"""What jobs have written goes a week after their end, however they ended; what was left to do goes with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tests.bulk.conftest import work_off
from tests.markup import Page
from workflows.bulk import jobs, lanes, registry, snapshot, turns, upkeep, working
from workflows.bulk.models import BulkChunk, BulkFailure, BulkJob, BulkLane
from workflows.bulk.registry import Action, Did, RowFailed, Skipped, Work

JOBS = "/admin/workflows/bulkjob/"
Queue = Callable[..., BulkJob]
State = BulkJob.State


@pytest.fixture
def half_done(people: list[User], queue: Queue, monkeypatch: pytest.MonkeyPatch) -> BulkJob:
    """An export of which one chunk of three is written."""
    monkeypatch.setattr(snapshot, "CHUNK", 5)
    monkeypatch.setattr(snapshot, "SLICE", 60.0)  # one message selects all, also on a busy machine
    job = queue("export_users")
    take_turn(job)
    with monkeypatch.context() as patch:
        patch.setattr(working, "SLICE", 0.0)
        take_turn(job)
    job.refresh_from_db()
    assert (job.done, job.left) == (5, 7)
    return job


def take_turn(job: BulkJob) -> None:
    turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)


def let_pass(job: BulkJob, **time: float) -> None:
    job.refresh_from_db()
    assert job.finished_at
    BulkJob.objects.filter(pk=job.pk).update(finished_at=job.finished_at - timedelta(**time))
    job.refresh_from_db()


def stop(job: BulkJob, by: User) -> None:
    jobs.stop(job, by=by)


def fail(job: BulkJob, by: User) -> None:
    jobs.end_for(job, State.FAILED, "The filter cannot be read.")


def lose_permission(job: BulkJob, by: User) -> None:
    User.objects.filter(pk=by.pk).update(is_superuser=False)
    take_turn(job)


@pytest.mark.parametrize("end", [stop, fail, lose_permission])
def test_what_an_export_has_written_goes_a_week_after_its_end_however_that_came(
    half_done: BulkJob, admin: User, end: Callable[[BulkJob, User], None]
) -> None:
    end(half_done, admin)
    let_pass(half_done, days=6.9)
    assert upkeep.delete_old_chunks() == 0

    let_pass(half_done, days=0.2)
    assert upkeep.delete_old_chunks() == 3

    assert not BulkChunk.objects.exists()


def test_no_file_is_offered_after_that_week_though_it_is_not_deleted_yet(
    half_done: BulkJob, admin: User, client: Client
) -> None:
    client.force_login(admin)
    jobs.stop(half_done, by=admin)
    assert client.get(f"{JOBS}{half_done.pk}/export.csv").status_code == 200

    let_pass(half_done, days=7)

    assert client.get(f"{JOBS}{half_done.pk}/export.csv").status_code == 404


def test_a_job_that_was_stopped_goes_on_within_that_week_and_is_kept_for_one_after_its_end(
    half_done: BulkJob, admin: User
) -> None:
    jobs.stop(half_done, by=admin)
    let_pass(half_done, days=6.9)
    jobs.go_on(half_done, by=admin)
    half_done.refresh_from_db()
    assert half_done.finished_at is None

    job = work_off(half_done)

    assert (job.state, job.done) == (State.FINISHED, 12)
    assert job.finished_at
    assert job.finished_at > timezone.now() - timedelta(minutes=1)


def test_a_job_that_goes_on_at_the_last_moment_loses_nothing(
    half_done: BulkJob, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.stop(half_done, by=admin)
    let_pass(half_done, days=7)

    def wait_for_who_has_it_go_on(job: BulkJob) -> None:
        BulkJob.objects.filter(pk=job.pk).update(state=State.RUNNING, finished_at=None)

    monkeypatch.setattr(lanes, "lock", wait_for_who_has_it_go_on)

    assert upkeep.delete_old_chunks() == 0
    assert BulkChunk.objects.count() == 3


def test_after_that_week_it_cannot_go_on_and_its_page_says_so(half_done: BulkJob, admin: User, client: Client) -> None:
    client.force_login(admin)
    jobs.stop(half_done, by=admin)
    page = f"{JOBS}{half_done.pk}/change/"
    assert "Go on" in Page(client.get(page).content.decode()).values("value")
    let_pass(half_done, days=7)

    shown = Page(client.get(page).content.decode())
    assert "Go on" not in shown.values("value")
    assert "what was left of it is kept no longer" in shown.text
    answer = client.post(f"{JOBS}{half_done.pk}/go-on/", follow=True)

    said = "It was stopped more than a week ago: what was left of it is kept no longer. Start a new one."
    assert [str(message) for message in answer.context["messages"]] == [said]
    half_done.refresh_from_db()
    assert (half_done.state, half_done.done) == (State.STOPPED, 5)


def break_row(patch: pytest.MonkeyPatch, name: str) -> None:
    """One row of this action fails."""
    whole = registry.get(name)

    def do(user: User, work: Work) -> Did | Skipped:
        if user.username == "person01":
            raise RowFailed("it is wrong")
        return whole.do(user, work)

    patch.setitem(registry._actions, name, Action(**{**whole.__dict__, "do": do}))


def test_failed_rows_of_a_job_that_was_stopped_are_retried_within_that_week_alone(
    people: list[User], queue: Queue, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_row(monkeypatch, "export_users")
    job = queue("export_users")
    take_turn(job)
    take_turn(job)
    jobs.stop(job, by=admin)
    let_pass(job, days=7)
    assert job.failed == 1

    with pytest.raises(jobs.Refused, match="more than a week ago"):
        jobs.retry_failed(job, by=admin)


def test_failed_rows_of_a_job_that_has_finished_are_retried_after_that_week_as_well(
    people: list[User], queue: Queue, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        break_row(patch, "forget_devices")
        job = work_off(queue("forget_devices"))
    assert (job.skipped, job.failed) == (11, 1)
    let_pass(job, days=30)
    assert upkeep.delete_old_chunks() == 1

    jobs.retry_failed(job, by=admin)

    assert work_off(job).skipped == 12
    assert not BulkFailure.objects.exists()


def test_but_not_where_its_file_would_then_have_these_rows_alone_and_the_page_says_so(
    people: list[User], queue: Queue, admin: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(admin)
    with monkeypatch.context() as patch:
        break_row(patch, "export_users")
        job = work_off(queue("export_users"))
    page = f"{JOBS}{job.pk}/change/"
    assert "Retry the failed rows" in Page(client.get(page).content.decode()).values("value")
    let_pass(job, days=7)

    shown = Page(client.get(page).content.decode())
    assert "Retry the failed rows" not in shown.values("value")
    said = "It ended more than a week ago: its file is kept no longer, and would have the retried rows alone."
    assert said in shown.text
    answer = client.post(f"{JOBS}{job.pk}/retry/", follow=True)

    assert [str(message) for message in answer.context["messages"]] == [said]
    job.refresh_from_db()
    assert (job.state, job.failed) == (State.FINISHED, 1)
