"""`manage.py bulk`."""

from __future__ import annotations

import os
import pty
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from types import SimpleNamespace
from typing import TextIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import SecurityEvent, User
from tests.bulk.conftest import work_off
from workflows.bulk import jobs, turns
from workflows.bulk.models import BulkJob, BulkLane

State = BulkJob.State
Queue = Callable[..., BulkJob]
# Of filters that say nothing, or nothing in one of their parts.
EMPTY = ("", "?", "q=", "q=+", "q=%20", "q=%09", "email__startswith=", "is_staff__exact=0&q=", "q=person&is_staff=")
OF_THE_PAGE = ("p=2", "o=1", "e=1", "_facets=True", "_popup=1", "_to_field=id", "all=")


def bulk(*arguments: str) -> str:
    out = StringIO()
    call_command("bulk", *arguments, stdout=out)
    return out.getvalue()


def test_a_job_is_started_followed_and_listed(people: list[User], admin: User) -> None:
    said = bulk("start", "sign_out", "--by", "admin", "--query", "q=person", "--dry-run")
    job = BulkJob.objects.get()
    assert said == f"{job.pk} selecting its rows\n"
    assert (job.requested_by, job.dry_run, job.selection["query"]) == (admin, True, "q=person")

    work_off(job)
    followed = bulk("follow", str(job.pk))
    assert f"finished  [{'#' * 30}] 100 %  0 done, 12 skipped, 0 failed, 0 left" in followed
    listed = bulk("list")
    assert f"{job.pk}  finished" in listed
    assert "12 of 12  Sign out everywhere" in listed
    assert "export_sign_ins" in listed


def test_all_rows_are_chosen_when_that_is_said(people: list[User], admin: User) -> None:
    bulk("start", "sign_out", "--by", "admin", "--all")

    assert work_off(BulkJob.objects.get()).total == User.objects.count()


def test_parameters_are_given_by_name(people: list[User], admin: User) -> None:
    ids = f"{people[0].pk}, {people[1].pk}"
    bulk(
        "start", "security_notice", "--by", "ADMIN@example.com", "--ids", ids, "--set", "subject=a=b", "--set", "text=x"
    )

    assert BulkJob.objects.get().parameters == {"subject": "a=b", "text": "x"}
    assert work_off(BulkJob.objects.get()).done == 2


def test_the_same_job_is_started_again_only_when_that_is_said(people: list[User], admin: User) -> None:
    start = ("start", "sign_out", "--by", "admin", "--query", "q=person&is_staff__exact=0")
    bulk(*start)
    job = BulkJob.objects.get()

    with pytest.raises(CommandError, match=f"The same job is there already, selecting its rows: {job.pk}.*--again"):
        bulk("start", "sign_out", "--by", "admin", "--query", "is_staff__exact=0&q=person")
    bulk(*start, "--dry-run")
    bulk(*start, "--again")
    assert BulkJob.objects.filter(dry_run=False).count() == 2

    for one in BulkJob.objects.filter(dry_run=False):
        work_off(one)
    bulk(*start)


def test_a_job_is_stopped_by_how_its_id_begins(people: list[User], queue: Queue, admin: User) -> None:
    job = queue("sign_out")
    assert bulk("stop", str(job.pk)[:30], "--by", "admin") == f"{job.pk} stopped\n"
    with pytest.raises(CommandError, match="nothing left to stop: the job is stopped"):
        bulk("stop", str(job.pk), "--by", "admin")
    noted = SecurityEvent.objects.filter(user=admin, details__what="stopped").get()
    assert noted.details["by"] == {"id": admin.pk, "name": "admin"}
    with pytest.raises(CommandError, match="The job is stopped"):
        bulk("follow", str(job.pk))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense", "--by", "admin", "--all"], "no bulk action 'nonsense'"),
        (["sign_out", "--by", "nobody", "--all"], "no account 'nobody'"),
        (["sign_out", "--by", "person00", "--all"], "may not see users"),
        (["sign_out", "--by", "carol", "--all"], r"not the permission workflows\.bulk_sign_out"),
        (["sign_out", "--by", "admin", "--ids", "1,abc"], "'abc' is no id of a user"),
        (["sign_out", "--by", "admin", "--ids", ""], "'' is no id of a user"),
        (["sign_out", "--by", "admin", "--query", "q=nobody"], "Nothing is selected"),
        *(
            (["sign_out", "--by", "admin", "--query", query], "filter of --query is empty")
            for query in EMPTY + OF_THE_PAGE
        ),
        (["sign_out", "--by", "admin", "--query", "password__startswith=a"], "filter cannot be read"),
        # Django would drop it, and show the whole list with a message.
        (["sign_out", "--by", "admin", "--query", "q=a%00"], "filter cannot be read"),
        (["export_users", "--by", "admin", "--all", "--dry-run"], "has no dry run"),
        (
            ["security_notice", "--by", "admin", "--all", "--set", "text={% x %}"],
            "required.*\ntext: .*markup",
        ),
    ],
)
def test_what_is_wrong_is_told_and_starts_no_job(
    people: list[User], admin: User, make_operator: Callable[..., User], arguments: list[str], says: str
) -> None:
    make_operator("carol")
    with pytest.raises(CommandError, match=says):
        bulk("start", *arguments)
    assert not BulkJob.objects.exists()


@pytest.mark.parametrize(
    ("by", "says"),
    [
        ([], "arguments are required: --by"),
        (["--by", "nobody"], "no account 'nobody'"),
        (["--by", "carol"], r"not the permission workflows\.bulk_sign_out"),
    ],
)
def test_who_may_not_do_what_a_job_does_does_not_stop_it_from_the_terminal_either(
    people: list[User], queue: Queue, make_operator: Callable[..., User], by: list[str], says: str
) -> None:
    make_operator("carol", "bulk_export", "approve_bulkjob", "view_bulkjob")
    job = queue("sign_out")

    with pytest.raises(CommandError, match=says):
        bulk("stop", str(job.pk), *by)
    job.refresh_from_db()
    assert job.state == State.PREPARING


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, Callable[[], str]]]:
    """A terminal to write to, and what has come to it, which ends it."""
    reader, writer = pty.openpty()
    screen = os.fdopen(writer, "w")

    def said() -> str:
        screen.close()
        come = b""
        with suppress(OSError):  # EIO: nobody writes any longer
            while some := os.read(reader, 4096):
                come += some
        return come.decode()

    yield screen, said
    screen.close()
    os.close(reader)


@pytest.mark.parametrize("columns", [80, 300])
def test_on_a_terminal_the_progress_is_one_row_that_is_written_over(
    people: list[User],
    queue: Queue,
    terminal: tuple[TextIO, Callable[[], str]],
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    job = queue("sign_out")
    between: list[Callable[[], object]] = [
        lambda: take_turn(job),
        lambda: jobs.note(job, "The mail server is away."),
        lambda: work_off(job),
    ]
    clock = SimpleNamespace(sleep=lambda seconds: between.pop(0)())
    monkeypatch.setattr("workflows.management.commands.bulk.time", clock)
    screen, said = terminal

    call_command("bulk", "follow", str(job.pk), stdout=screen)

    first, *moving, last = said().split("\r\033[K")
    assert first == ""
    assert [row.split()[0] for row in moving] == ["selecting", "running", "running", "finished"]
    assert all(len(row) < columns and "\n" not in row for row in moving)
    assert last.startswith(f"finished  [{'#' * 30}] 100 %  0 done, 12 skipped, 0 failed, 0 left")
    assert last.endswith("\r\n") and last.count("\n") == 1


def take_turn(job: BulkJob) -> None:
    turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)


@pytest.mark.parametrize("key", ["", "xyz", "0" * 33, "ffff"])
def test_an_id_that_is_no_jobs_is_told(people: list[User], queue: Queue, key: str) -> None:
    queue("sign_out")
    with pytest.raises(CommandError, match=r"is no id of a job|There is no job"):
        bulk("stop", key, "--by", "admin")
