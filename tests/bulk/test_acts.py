"""What can be done to a job, how it stands and whoever asks: its page offers that, and nothing else can be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from tests.bulk.conftest import work_off
from tests.markup import Page
from workflows.bulk import jobs
from workflows.bulk.models import BulkFailure, BulkJob

Queue = Callable[..., BulkJob]
Do = Callable[..., Any]
State = BulkJob.State
ACTS: dict[str, Do] = {
    "Approve": jobs.approve,
    "Decline": jobs.decline,
    "Stop": jobs.stop,
    "Go on": jobs.go_on,
    "Retry the failed rows": jobs.retry_failed,
    "Start it for real": jobs.start_for_real,
}


def wait(queue: Queue, admin: User) -> BulkJob:
    return queue("sign_out")


def stop_unapproved(queue: Queue, admin: User) -> BulkJob:
    job = queue("sign_out")
    jobs.stop(job, by=admin)
    return job


def prepare(queue: Queue, admin: User) -> BulkJob:
    return queue("export_users")


def stop_begun(queue: Queue, admin: User) -> BulkJob:
    job = queue("export_users")
    jobs.stop(job, by=admin)
    return job


def finish(queue: Queue, admin: User) -> BulkJob:
    return work_off(queue("export_users"))


def finish_but_one(queue: Queue, admin: User) -> BulkJob:
    job = finish(queue, admin)
    BulkFailure.objects.create(job=job, row="1", reason="it is wrong")
    BulkJob.objects.filter(pk=job.pk).update(failed=1)
    return job


def fail_at_retrying(queue: Queue, admin: User) -> BulkJob:
    job = finish_but_one(queue, admin)
    jobs.retry_failed(job, by=admin)
    jobs.end_for(job, State.FAILED, "This version of the site has no such action.")
    return job


def fail(queue: Queue, admin: User) -> BulkJob:
    return work_off(queue("export_users", "email__regex=("))


def try_out(queue: Queue, admin: User) -> BulkJob:
    return work_off(queue("sign_out", dry_run=True))


def try_out_what_is_unknown_by_now(queue: Queue, admin: User) -> BulkJob:
    job = try_out(queue, admin)
    BulkJob.objects.filter(pk=job.pk).update(action="of_yesterday")
    return job


# What who may do what the job does can do to it, the second person, and who started it.
CASES: dict[Callable[..., BulkJob], tuple[set[str], set[str], set[str]]] = {
    wait: ({"Stop"}, {"Approve", "Decline"}, {"Stop"}),
    stop_unapproved: (set(), set(), set()),
    prepare: ({"Stop"}, set(), {"Stop"}),
    stop_begun: ({"Go on"}, set(), {"Go on"}),
    finish: (set(), set(), set()),
    finish_but_one: ({"Retry the failed rows"}, set(), {"Retry the failed rows"}),
    fail: (set(), set(), set()),
    fail_at_retrying: (set(), set(), set()),
    try_out: ({"Start it for real"}, set(), {"Start it for real"}),
    try_out_what_is_unknown_by_now: (set(), set(), set()),
}


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_what_can_be_done_is_offered_and_nothing_else(
    people: list[User],
    queue: Queue,
    admin: User,
    make_operator: Callable[..., User],
    client: Client,
    settings: Settings,
    make: Callable[..., BulkJob],
) -> None:
    settings.BULK_APPROVAL = True
    persons = (
        make_operator("carol", "view_bulkjob", "bulk_sign_out", "bulk_export"),
        make_operator("dave", "view_bulkjob", "approve_bulkjob"),
        admin,
        make_operator("erin", "view_bulkjob", "bulk_forget_devices"),
    )
    job = make(queue, admin)

    for by, can in zip(persons, [*CASES[make], set()], strict=True):
        client.force_login(by)
        page = Page(client.get(f"/admin/workflows/bulkjob/{job.pk}/change/").content.decode())
        assert set(page.values("value")) & set(ACTS) == can, by
        assert {name for name, do in ACTS.items() if is_done(do, job, by)} == can, by


def is_done(do: Do, job: BulkJob, by: User) -> bool:
    """Whether it is not refused; it is taken back."""
    with transaction.atomic():
        try:
            do(BulkJob.objects.get(pk=job.pk), by=by)
        except jobs.Refused:
            return False
        transaction.set_rollback(True)
    return True
