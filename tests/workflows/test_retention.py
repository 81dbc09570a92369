"""What is due goes and nothing else: a batch a transaction, within its time, and the next call goes on."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django_celery_results.models import GroupResult, TaskResult
from pytest_django import Settings

from accounts.models import Device, EmailChange, Notice, SecurityEvent, SignIn, User, Verdict
from loginwatch.celery import app
from tests.loginwatch.test_environment import GOOD, started
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.old_runs import KEPT, LONG_AGO, MakeRun, ago, is_there, prune, rows
from tests.workflows.old_runs import make_old as make_old  # the fixture
from workflows import periodic, retention
from workflows.alerting.alerts import TELL_WITHIN, raise_alert
from workflows.models import Alert, Run
from workflows.steps import Name

T = TypeVar("T")
ENDED = [state for state in Run.State if state not in Run.UNFINISHED]


@pytest.mark.parametrize("state", ENDED)
def test_a_run_that_has_ended_goes_with_its_sign_in_however_it_ended(make_old: MakeRun, state: Run.State) -> None:
    run = make_old(state=state)
    raise_alert(Alert.Kind.RUN_FAILED, "an error", run.pk)

    steps = len(Name)
    assert prune() == {"accounts.SignIn": 1, "workflows.Run": 1, "workflows.Step": steps, "workflows.Alert": 1}
    assert not any(rows().values())


@pytest.mark.parametrize("state", Run.UNFINISHED)
def test_a_run_that_has_not_ended_stays_with_its_sign_in(make_old: MakeRun, state: Run.State) -> None:
    unfinished, finished = make_old(state=state), make_old()

    prune()

    assert (is_there(unfinished), is_there(finished)) == (True, False)


def test_many_runs_that_have_not_ended_hold_nothing_up(make_old: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    unfinished = [make_old(LONG_AGO + 1, Run.State.RETRYING) for _ in range(5)]
    finished = make_old()

    prune()

    assert not is_there(finished)
    assert all(is_there(run) for run in unfinished)


def test_a_sign_in_without_a_run_goes(make_old: MakeRun, alice: User) -> None:
    SignIn.objects.create(user=alice, issued_token="t", created_at=ago(LONG_AGO))

    assert prune() == {"accounts.SignIn": 1}


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize("posted", [True, False], ids=["posted", "not posted"])
def test_alerts_of_no_run_go_whoever_was_told(make_old: MakeRun, told: bool, posted: bool) -> None:
    """Of mail and webhook, a site may have either, or neither."""
    for days in (KEPT + 1, KEPT - 1):
        at = ago(days)
        Alert.objects.create(
            kind=Alert.Kind.RUN_FAILED,
            created_at=at,
            told_at=at if told else None,
            posted_at=at if posted else None,
        )

    assert prune() == {"workflows.Alert": 1}
    assert not Alert.objects.filter(created_at__lt=ago(KEPT)).exists()


def test_an_alert_that_the_operators_are_still_to_be_told_of_stays(make_old: MakeRun, settings: Settings) -> None:
    settings.RETENTION_SIGN_INS_DAYS = 1
    for days, told_at in ((2, None), (2, ago(2)), (TELL_WITHIN.days + 1, None)):
        Alert.objects.create(kind=Alert.Kind.RUN_FAILED, created_at=ago(days), told_at=told_at)

    assert prune() == {"workflows.Alert": 2}
    assert Alert.objects.get().told_at is None


@pytest.fixture
def _results(db: None, settings: Settings) -> None:
    """Of each kind one that has expired, two hours ago, and one that has not."""
    settings.CELERY_RESULT_EXPIRES = 3600
    for name, hours in (("old", 2), ("young", 0)):
        task, group = TaskResult.objects.create(task_id=name), GroupResult.objects.create(group_id=name)
        for result in (task, group):
            done = ago(0) - timedelta(hours=hours)
            type(result)._default_manager.filter(pk=result.pk).update(date_done=done)


@pytest.mark.usefixtures("_results")
def test_results_go_when_they_have_expired() -> None:
    assert prune() == {"django_celery_results.TaskResult": 1, "django_celery_results.GroupResult": 1}
    assert TaskResult.objects.get().task_id == GroupResult.objects.get().group_id == "young"


@pytest.mark.usefixtures("_results")
def test_results_that_are_stored_for_ever_stay(settings: Settings) -> None:
    settings.CELERY_RESULT_EXPIRES = None

    assert not prune()


@pytest.mark.usefixtures("_results")
def test_results_of_before_a_moment_go() -> None:
    hour = timedelta(hours=1)
    assert retention.delete_expired_results(ago(0) - 3 * hour, seconds=math.inf) == 0
    assert retention.delete_expired_results(ago(0) - hour, seconds=math.inf) == 2
    assert TaskResult.objects.get().task_id == GroupResult.objects.get().group_id == "young"


def test_a_batch_is_the_same_work_however_much_is_due(make_old: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)

    def statements_of_a_batch() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert retention.delete_due(seconds=0)["workflows.Run"] == 3
        return len(queries)

    for _ in range(3):
        make_old()
    few = statements_of_a_batch()
    for _ in range(30):
        make_old()

    assert statements_of_a_batch() == few
    assert Run.objects.count() == 27


def test_when_its_time_is_up_the_next_call_goes_on(make_old: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    for _ in range(3):
        make_old()

    assert [retention.delete_due(seconds=0)["workflows.Run"] for _ in range(3)] == [1, 1, 1]
    assert not Run.objects.exists()


def test_the_oldest_goes_first(make_old: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    younger, older = make_old(LONG_AGO), make_old(LONG_AGO + 1)

    retention.delete_due(seconds=0)

    assert (is_there(younger), is_there(older)) == (True, False)


def test_nothing_waits_for_the_backlog_of_another_table(make_old: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    for _ in range(20):
        make_old()
    Session.objects.create(session_key="old", expire_date=ago(1))
    # A clock that goes on by a second whenever it is looked at, which is after each batch.
    monkeypatch.setattr(retention, "time", SimpleNamespace(monotonic=itertools.count().__next__))

    retention.delete_due(seconds=10)

    assert not Session.objects.exists()
    assert Run.objects.count() > 10


class Killed(BaseException):
    """Nobody handles it."""


@contextmanager
def before_the_last_statement(do: Callable[[], None]) -> Iterator[None]:
    """``do`` is called when all but the row of the sign-in has been deleted."""

    def watch(execute: Callable[..., T], sql: str, params: Any, many: bool, context: dict[str, Any]) -> T:
        if sql.startswith('DELETE FROM "accounts_signin"'):
            do()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield


def be_killed() -> None:
    raise Killed


def cut_the_connection() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("end", [be_killed, cut_the_connection])
def test_one_that_is_killed_leaves_nothing_half_done_and_the_next_goes_on(
    transactional_db: None, make_old: MakeRun, end: Callable[[], None]
) -> None:
    if end is cut_the_connection and connection.vendor != "postgresql":
        pytest.skip("SQLite has no server")
    Verdict.objects.create(sign_in=make_old().sign_in, score=0)
    before = rows()

    with before_the_last_statement(end), pytest.raises((Killed, OperationalError)):
        prune()
    connection.close()

    assert rows() == before
    prune()
    assert not any(rows().values())


def fill(make_old: MakeRun, alice: User) -> None:
    """Something of each kind that is due, and something that is not."""
    abandoned, used = (
        Device.objects.create(user=alice, first_seen_at=ago(days), last_seen_at=ago(days)) for days in (LONG_AGO, 1)
    )
    for token, days in (("run out", LONG_AGO), ("used up", KEPT + 2)):
        SignIn.objects.create(user=alice, issued_token=token, created_at=ago(days), emptied_at=ago(1))
    for sign_in in (
        make_old(LONG_AGO, device=abandoned).sign_in,
        make_old(KEPT + 1, device=used, presented_token="used up").sign_in,
        make_old(KEPT - 1, device=used).sign_in,
        make_old(LONG_AGO, Run.State.RUNNING, device=used).sign_in,
    ):
        SecurityEvent.objects.create(sign_in=sign_in, kind=SecurityEvent.Kind.SIGNED_IN)
        Verdict.objects.create(sign_in=sign_in, score=0)
        Notice.objects.create(sign_in=sign_in, message_id=sign_in.issued_token)
    for days in (KEPT + 1, KEPT - 1):
        SecurityEvent.objects.create(kind=SecurityEvent.Kind.SIGN_IN_FAILED, created_at=ago(days))
        Session.objects.create(session_key=f"{days}", expire_date=ago(days - KEPT))
        Alert.objects.create(kind=Alert.Kind.RUN_FAILED, created_at=ago(days), told_at=ago(days))
        change = EmailChange.objects.create(user=alice, old=alice.email, created_at=ago(days))
        Notice.objects.create(email_change=change, message_id=f"change {days}", created_at=ago(days))


@pytest.mark.usefixtures("_results")
def test_a_dry_run_deletes_nothing_and_says_what_would_go(
    make_old: MakeRun, alice: User, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(make_old, alice)
    before, due = rows(), retention.count_due()

    call_command("prune", dry_run=True)
    said = capsys.readouterr().out
    assert rows() == before
    call_command("prune")

    assert f"{due.total():>12,} rows are due.\n" in said
    assert f"{due.total() + 1:>12,} rows deleted.\n" in capsys.readouterr().out
    assert {table: before[table] - number for table, number in rows().items()} == {
        table: due[table] for table in before
    } | {"accounts.Device": 1}
    assert not retention.count_due()


def test_beat_has_it_done(make_old: MakeRun) -> None:
    run = make_old()
    (entry,) = (entry for entry in app.conf.beat_schedule.values() if entry["task"] == periodic.prune.name)

    assert entry["options"]["expires"] <= entry["schedule"]
    assert app.amqp.router.route({}, periodic.prune.name)["queue"].name == "system"
    assert periodic.prune() == 2 + len(Name)
    assert not is_there(run)


@pytest.mark.once
@pytest.mark.parametrize("name", ["RETENTION_SIGN_INS_DAYS", "RETENTION_FAILED_SIGN_INS_DAYS"])
@pytest.mark.parametrize("value", ["a year", "-1", "36501", "0.5"])
def test_days_that_are_none_start_nothing(name: str, value: str) -> None:
    ended = started(sys.executable, "manage.py", "check", **{**GOOD, name: value})

    assert ended.returncode == 1
    assert ended.stderr == f"loginwatch: {name} must be a whole number, 0 to 36500 (it is {value!r})\n"
