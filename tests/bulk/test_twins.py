"""Two who want the same job at the same moment: one has it, and the other is told, though neither sees the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connection, transaction

from accounts.models import User
from tests.bulk.conftest import work_off
from tests.waiting import somebody_waits_for_a_lock, wait_for
from workflows.bulk import jobs, registry, selection
from workflows.bulk.models import BulkFailure, BulkJob

Act = Callable[[], object]
Queue = Callable[..., BulkJob]
State = BulkJob.State
pytestmark = pytest.mark.django_db(transaction=True)


def at_once(first: Act, second: Act) -> str:
    """What the second is told, who has begun before what the first did can be seen; "" where they are not refused."""

    def do() -> str:
        try:
            second()
        except jobs.Refused as refused:
            return str(refused)
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first()
            told = pool.submit(do)
            if connection.vendor == "postgresql":  # SQLite has one writer at a time in any case
                wait_for(lambda: told.done() or somebody_waits_for_a_lock(), "the second comes to an end, or to a lock")
        return told.result(timeout=10)


def under_way() -> int:
    return BulkJob.objects.filter(finished_at=None, dry_run=False).count()


@pytest.fixture
def stopped(transactional_db: None, people: list[User], queue: Queue, admin: User) -> list[BulkJob]:
    """Two of the same, with a row each that failed."""
    both = [queue("ask_password"), queue("ask_password")]
    for job in both:
        jobs.stop(job, by=admin)
        BulkFailure.objects.create(job=job, row=str(people[0].pk), reason="it is wrong")
        job.lanes.update(due_at=None)
    BulkJob.objects.update(failed=1, is_prepared=True)
    return both


@pytest.mark.parametrize("do", [jobs.go_on, jobs.retry_failed])
def test_of_two_jobs_that_are_gone_on_with_one_goes_on(
    stopped: list[BulkJob], admin: User, do: Callable[..., object]
) -> None:
    told = at_once(lambda: jobs.go_on(stopped[0], by=admin), lambda: do(stopped[1], by=admin))

    assert told.startswith("The same job is there already, running: ")
    assert under_way() == 1


def confirm(by: User, known: list[BulkJob]) -> BulkJob:
    """As the page that asks does, each time with a form of its own."""
    action = registry.get("ask_password")
    chosen = selection.of_query(action, "q=person")
    return jobs.queue(action, selection=chosen, parameters={}, by=by, token=uuid4(), known=known)[0]


def test_of_two_who_confirm_the_same_one_has_it(transactional_db: None, people: list[User], admin: User) -> None:
    told = at_once(lambda: confirm(admin, []), lambda: confirm(admin, []))

    assert told.startswith("The same job is there already, selecting its rows: ")
    assert under_way() == 1


def test_who_was_shown_one_of_the_same_is_told_of_another(stopped: list[BulkJob], admin: User) -> None:
    told = at_once(lambda: confirm(admin, stopped[1:]), lambda: confirm(admin, stopped[1:]))

    assert told.startswith("The same job is there already, selecting its rows: ")
    assert under_way() == 1


def test_one_that_is_confirmed_and_one_that_is_gone_on_with_are_not_both_under_way(
    stopped: list[BulkJob], admin: User
) -> None:
    told = at_once(lambda: confirm(admin, stopped[1:]), lambda: jobs.go_on(stopped[1], by=admin))

    assert told.startswith("The same job is there already, selecting its rows: ")
    assert under_way() == 1


def test_of_two_people_who_start_it_for_real_one_does(
    transactional_db: None, people: list[User], queue: Queue, admin: User, make_operator: Callable[..., User]
) -> None:
    tried = work_off(queue("sign_out", dry_run=True))
    carol = make_operator("carol", "bulk_sign_out")

    told = at_once(lambda: jobs.start_for_real(tried, by=admin), lambda: jobs.start_for_real(tried, by=carol))

    assert told.startswith("The same job is there already, selecting its rows: ")
    assert under_way() == 1
