"""A job acts on no more rows than those who started and approved it were told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client
from pytest_django import Settings

from accounts.models import SignIn, User
from tests.bulk.conftest import work_off
from tests.bulk.test_admin import JOBS, USERS, choose, hidden
from tests.workflows.conftest import make_run as make_run  # the fixture
from workflows import ledger
from workflows.bulk import jobs, snapshot
from workflows.bulk.models import BulkChunk, BulkFailure, BulkJob
from workflows.models import Run

RUNS = "/admin/workflows/run/"
INACTIVE = "?is_active__exact=0"
Queue = Callable[..., BulkJob]
State = BulkJob.State


@pytest.fixture
def operator(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture
def inactive(people: list[User], signed_in: Callable[[User], str]) -> list[User]:
    """All people are signed in, and the first one is not active."""
    for user in people:
        signed_in(user)
    set_inactive(people[:1])
    return people


def set_inactive(people: list[User]) -> None:
    User.objects.filter(pk__in=[user.pk for user in people]).update(is_active=False)


def confirm(client: Client, action: str, query: str = INACTIVE, **more: str) -> BulkJob:
    """All that match, as the page that asks counts them."""
    rows = [User.objects.order_by("pk").values_list("pk", flat=True)[0]]
    client.post(f"{USERS}{query}", hidden(choose(client, action, rows, query, select_across="1")) | more)
    return BulkJob.objects.get()


@pytest.mark.parametrize("chunk", [3, 500])
def test_where_more_match_by_the_time_that_it_is_approved_it_touches_none(
    operator: Client,
    inactive: list[User],
    make_operator: Callable[..., User],
    settings: Settings,
    chunk: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshot, "CHUNK", chunk)
    settings.BULK_APPROVAL = True
    job = confirm(operator, "sign_out")
    set_inactive(inactive[1:11])

    jobs.approve(job, by=make_operator("carol", "approve_bulkjob"))
    job = work_off(job)

    assert (job.state, job.processed) == (State.FAILED, 0)
    assert job.error == "11 users match now, and 1 was confirmed: nothing was done. Start the job anew from the list."
    assert Session.objects.count() == len(inactive) + 1
    assert job.error in mail.outbox[-1].body
    with pytest.raises(jobs.Refused):
        jobs.go_on(job, by=User.objects.get(username="admin"))


@pytest.mark.parametrize("now", [slice(1, 1), slice(0, 1)], ids=["as many", "fewer"])
def test_as_many_as_were_confirmed_are_done_and_fewer(operator: Client, inactive: list[User], now: slice) -> None:
    set_inactive(inactive[1:3])
    job = confirm(operator, "sign_out")
    User.objects.filter(pk__in=[user.pk for user in inactive[now]]).update(is_active=True)

    job = work_off(job)

    assert (job.state, job.done) == (State.FINISHED, 3 - len(inactive[now]))


def test_of_people_whose_sign_ins_it_acts_on_people_are_counted(
    operator: Client, inactive: list[User], signed_in: Callable[[User], str]
) -> None:
    for _ in range(3):
        signed_in(inactive[0])
    job = confirm(operator, "anonymise_people")
    set_inactive(inactive[1:2])

    job = work_off(job)

    assert job.error.startswith("2 users match now, and 1 was confirmed: nothing was done.")
    assert not SignIn.objects.exclude(emptied_at=None).exists()

    BulkJob.objects.all().delete()
    job = work_off(confirm(operator, "anonymise_people"))
    assert (job.state, job.total) == (State.FINISHED, 5)


def test_what_is_counted_no_further_on_the_page_is_not_held_to_a_number(
    operator: Client, inactive: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.bulk.list_admin.MOST_COUNTED", 2)
    set_inactive(inactive[1:3])
    job = confirm(operator, "sign_out")
    set_inactive(inactive[3:5])

    assert job.selection["confirmed"] == "more than 2 users"
    assert work_off(job).done == 5


@pytest.mark.parametrize("approval", [False, True])
def test_runs_that_fail_meanwhile_are_acted_on_too_unless_somebody_else_has_to_agree(
    operator: Client,
    make_run: Callable[..., Run],
    make_operator: Callable[..., User],
    settings: Settings,
    approval: bool,
) -> None:
    settings.BULK_APPROVAL = approval
    runs = [make_run() for _ in range(3)]
    ledger.fail_step(runs[0].pk, "post_to_risk_api", "it is away")
    query = "?state__exact=failed"
    asked = operator.post(
        f"{RUNS}{query}",
        {"action": "bulk_cancel", "index": "0", "select_across": "1", "_selected_action": [str(runs[0].pk)]},
    )
    operator.post(f"{RUNS}{query}", hidden(asked))
    job = BulkJob.objects.get()
    ledger.fail_step(runs[1].pk, "post_to_risk_api", "it is away")

    if approval:
        jobs.approve(job, by=make_operator("carol", "approve_bulkjob"))
    job = work_off(job)

    assert (job.state, job.done) == ((State.FAILED, 0) if approval else (State.FINISHED, 2))


@pytest.mark.parametrize("action", ["sign_out", "anonymise_people"])
def test_what_was_tried_is_started_for_real_for_as_many_rows_as_were_tried(
    operator: Client, inactive: list[User], settings: Settings, action: str, make_operator: Callable[..., User]
) -> None:
    settings.BULK_APPROVAL = True
    tried = work_off(confirm(operator, action, dry_run="yes"))
    operator.post(f"{JOBS}{tried.pk}/start/")
    real = BulkJob.objects.get(dry_run=False)
    assert real.selection["confirmed"] == {"sign_out": "1 user", "anonymise_people": "1 sign in"}[action]

    set_inactive(inactive[1:11])
    jobs.approve(real, by=make_operator("carol", "approve_bulkjob"))
    real = work_off(real)

    assert (real.state, real.processed) == (State.FAILED, 0)
    assert real.error.startswith("11 users match now, and 1 was confirmed: nothing was done.")


def test_a_dry_run_of_a_query_from_the_terminal_binds_what_is_started_for_real(
    admin: User, inactive: list[User], queue: Queue
) -> None:
    tried = work_off(queue("sign_out", "is_active__exact=0", dry_run=True))
    real = jobs.start_for_real(tried, by=admin)
    set_inactive(inactive[1:11])

    real = work_off(real)

    assert (real.state, real.total, real.processed) == (State.FAILED, 11, 0)


def test_failed_rows_that_are_retried_are_no_further_ones(operator: Client, admin: User, inactive: list[User]) -> None:
    job = work_off(confirm(operator, "sign_out"))
    BulkFailure.objects.create(job=job, row=str(inactive[0].pk), reason="it is wrong")
    BulkJob.objects.filter(pk=job.pk).update(failed=1, done=0)
    set_inactive(inactive[1:11])

    jobs.retry_failed(job, by=admin)

    assert work_off(job).state == State.FINISHED


def test_who_goes_on_selecting_is_held_to_the_number_as_well(
    operator: Client, admin: User, inactive: list[User]
) -> None:
    job = confirm(operator, "sign_out")
    jobs.stop(job, by=admin)
    set_inactive(inactive[1:11])
    jobs.go_on(job, by=admin)

    job = work_off(job)

    assert (job.state, job.processed) == (State.FAILED, 0)
    assert BulkChunk.objects.filter(job=job, position__gt=0).count() == 0
