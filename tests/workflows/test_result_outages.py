"""Chords and results while a process dies, the broker is away, or the database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from celery import states
from celery.exceptions import BackendStoreError
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone
from django_celery_results.models import ChordCounter, TaskResult  # type: ignore[attr-defined]  # stubs lag

from tests.workflows.result_site import NO_BROKER, Site, let_the_claim_run_out, published
from workflows import points
from workflows.models import Chord

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site() -> Site:
    return Site()


# --- The sweep --------------------------------------------------------------------------------------------
def test_a_chord_that_nobody_published_is_published_by_the_sweep(site: Site) -> None:
    first, second = site.begin(site.total.s(), "first", "second")
    for member in (first, second):  # whose processes then died
        site.backend.store_result(member.id, 1, states.SUCCESS, request=member)

    let_the_claim_run_out()
    with published() as messages:
        assert site.backend.publish_due_chords() == 1
        assert site.backend.publish_due_chords() == 0
    assert [body.args for body in messages] == [[[1, 1]]]


def test_who_has_claimed_a_chord_has_it_alone_until_the_claim_runs_out(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (member,) = site.begin(site.total.s().set(task_id="run.body"), "member")
    swept_meanwhile: list[int] = []

    def be_killed(run_id: object, step: str, point: str) -> None:
        if point == "chord: before publish":
            monkeypatch.setattr(points, "_hooks", [])
            swept_meanwhile.append(Site().backend.publish_due_chords())
            raise KeyboardInterrupt

    monkeypatch.setattr(points, "_hooks", [be_killed])
    with published() as messages:
        with pytest.raises(KeyboardInterrupt):
            site.succeed(member)
        assert swept_meanwhile == [0]
        assert not messages

        let_the_claim_run_out()
        assert site.backend.publish_due_chords() == 1
    assert [body.args for body in messages] == [[[1]]]


def test_a_broker_that_is_away_gets_the_body_later(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    members = [*site.begin(site.total.s().set(task_id="body"), "one"), *site.begin(site.total.s(), "two")]
    for member in members:
        Site(NO_BROKER).succeed(member)
    assert len([record for record in caplog.records if "is left to the sweep" in record.message]) == 2
    assert site.app.AsyncResult("body").state == states.PENDING

    let_the_claim_run_out()
    assert Site(NO_BROKER).backend.publish_due_chords() == 0
    assert Chord.objects.filter(publish_at__lte=timezone.now()).count() == 1, "it is not asked for the second one"

    let_the_claim_run_out()
    with published() as messages:
        assert site.backend.publish_due_chords() == 2
    assert [body.args for body in messages] == [[[1]], [[1]]]


def test_the_sweep_takes_as_many_as_it_is_told(site: Site) -> None:
    for name in ("a", "b", "c"):
        (member,) = site.begin(site.total.s(), name)
        site.backend.store_result(name, 1, states.SUCCESS, request=member)

    let_the_claim_run_out()
    assert [site.backend.publish_due_chords(most=2) for _ in range(3)] == [2, 1, 0]


def test_what_has_expired_is_deleted(site: Site) -> None:
    expired = timezone.now() - timedelta(seconds=site.backend.expires + 1)
    for name in ("old", "new"):
        site.begin(site.total.s(), name)
        site.backend.store_result(name, 1, states.SUCCESS)
    Chord.objects.filter(members__0__0__0="old").update(created_at=expired)
    TaskResult.objects.filter(task_id="old").update(date_done=expired)
    ChordCounter.objects.create(group_id="of the stock backend", sub_tasks="[]", count=1)

    site.backend.cleanup()

    assert [chord.members[0][0][0] for chord in Chord.objects.all()] == ["new"]
    assert [result.task_id for result in TaskResult.objects.all()] == ["new"]
    assert not ChordCounter.objects.exists()


# --- The database is away ---------------------------------------------------------------------------------
@contextmanager
def database_away(statements: float) -> Iterator[list[str]]:
    """The next ``statements`` fail as those to a server that is gone; yields what they were."""
    failed: list[str] = []

    def fail(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        if len(failed) < statements:
            failed.append(sql)
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, *arguments)

    with connection.execute_wrapper(fail):
        yield failed


@pytest.mark.parametrize("away_for", [1, 2, 3])
def test_a_database_that_is_away_for_a_moment_costs_nothing(site: Site, away_for: int) -> None:
    with database_away(away_for):
        (member,) = site.begin(site.total.s(), "member")
    with database_away(away_for):
        site.backend.store_result("member", 5, states.SUCCESS, request=member)
    with published() as messages, database_away(away_for):
        site.backend.on_chord_part_return(member, states.SUCCESS, 5)

    assert [body.args for body in messages] == [[[5]]]
    assert not Chord.objects.exists()


def test_a_database_that_stays_away_fails_the_task(site: Site) -> None:
    with database_away(float("inf")) as failed, pytest.raises(BackendStoreError):
        site.backend.store_result("a-task", 1, states.SUCCESS)

    assert len(failed) == 1 + site.app.conf.result_backend_max_retries


def test_a_database_that_goes_away_once_the_member_is_stored_leaves_the_chord_to_the_sweep(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    (member,) = site.begin(site.total.s(), "member")
    site.backend.store_result("member", 1, states.SUCCESS, request=member)

    with database_away(float("inf")):
        site.backend.on_chord_part_return(member, states.SUCCESS, 1)
    assert f"chord {member.group} is left to the sweep" in caplog.text

    let_the_claim_run_out()
    with published() as messages:
        site.backend.publish_due_chords()
    assert [body.args for body in messages] == [[[1]]]


def test_in_the_transaction_of_another_nothing_is_tried_again(site: Site) -> None:
    with transaction.atomic():
        site.backend.store_result("before", 1, states.SUCCESS)
        with database_away(1) as failed, pytest.raises(OperationalError):
            site.backend.store_result("a-task", 1, states.SUCCESS)
        site.backend.store_result("after", 1, states.SUCCESS)

    assert len(failed) == 1
    assert TaskResult.objects.count() == 2, "the connection was not closed under it"


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no server that could end a connection")
def test_a_connection_that_the_server_ended_is_made_anew(site: Site) -> None:
    (member,) = site.begin(site.total.s(), "member")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    ender = threading.Thread(target=_end_connection, args=(pid,))
    ender.start()
    ender.join()

    with published() as messages:
        site.succeed(member)
    assert [body.args for body in messages] == [[[1]]]


def _end_connection(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    connections.close_all()
