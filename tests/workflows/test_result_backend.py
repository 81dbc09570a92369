"""The result backend: results that stay, chords that end once."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import pytest
from celery import chord, group, states
from celery.app.task import Context
from celery.exceptions import ChordError
from django.db import connection, connections, transaction
from django.utils import timezone
from django_celery_results.backends.database import DatabaseBackend
from django_celery_results.models import TaskResult

from tests.waiting import somebody_waits_for_a_lock, wait_for
from tests.workflows.result_site import Site, let_the_claim_run_out, published
from workflows import points
from workflows.models import Chord

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site() -> Site:
    return Site()


# --- Results ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("extended", [True, False])
@pytest.mark.parametrize(
    ("state", "value"),
    [
        (states.STARTED, {"pid": 1}),
        (states.RETRY, ValueError("not yet")),
        (states.FAILURE, ValueError("no")),
        (states.SUCCESS, {"ü": [1, None]}),
    ],
)
def test_a_result_is_stored_as_the_stock_backend_stores_it(
    site: Site, state: str, value: Any, *, extended: bool
) -> None:
    site.app.conf.result_extended = extended
    request = Context(
        task="same",
        argsrepr="(1,)",
        kwargsrepr="{}",
        hostname="worker@here",
        periodic_task_name="nightly",
        meta={"mine": 1},
        children=[site.app.AsyncResult("a-child")],
    )
    rows: list[dict[str, Any]] = []
    for backend in (DatabaseBackend(site.app), site.backend):
        backend.store_result("same-id", "before", states.RETRY)
        backend.store_result("same-id", value, state, traceback="Traceback", request=request)
        rows.append(dict(TaskResult.objects.values().get(task_id="same-id")))
        TaskResult.objects.all().delete()

    stock, ours = rows
    for row in rows:
        assert row["date_created"] < row["date_done"] <= timezone.now()
        assert (row["date_started"] is not None) == (state == states.STARTED)
    passing = {"id", "date_created", "date_started", "date_done"}
    assert {name: ours[name] for name in ours.keys() - passing} == {
        name: stock[name] for name in stock.keys() - passing
    }


@pytest.mark.parametrize("later", [states.STARTED, states.RETRY, states.FAILURE, states.SUCCESS, states.REVOKED])
def test_success_is_final(site: Site, later: str) -> None:
    site.backend.store_result("a-task", "done", states.SUCCESS)

    site.backend.store_result(
        "a-task", ValueError("a late copy") if later in states.EXCEPTION_STATES else "a late copy", later
    )

    assert site.app.AsyncResult("a-task").state == states.SUCCESS
    assert site.app.AsyncResult("a-task").result == "done"


def test_a_failure_is_not(site: Site) -> None:
    site.backend.store_result("a-task", ValueError("killed"), states.FAILURE)

    site.backend.store_result("a-task", "done", states.SUCCESS)

    assert site.app.AsyncResult("a-task").get() == "done"


# --- Chords -----------------------------------------------------------------------------------------------
def test_the_body_is_published_once_when_all_members_have_ended(site: Site) -> None:
    first, second = site.begin(site.total.s(), "first", "second")
    with published() as messages:
        site.succeed(second, 2)
        assert not messages
        site.succeed(first, 1)

    assert [body.args for body in messages] == [[[1, 2]]]
    assert not Chord.objects.exists()


def test_a_member_that_is_delivered_twice_counts_once(site: Site) -> None:
    first, second = site.begin(site.total.s(), "first", "second")
    with published() as messages:
        site.succeed(first, 1)
        site.succeed(first, 1)
        assert not messages
        site.succeed(second, 2)
        site.succeed(second, 2)

    assert [body.args for body in messages] == [[[1, 2]]]


def test_of_two_members_that_end_at_the_same_time_one_publishes_the_body(site: Site) -> None:
    first, second = site.begin(site.total.s(), "first", "second")
    other = threading.Thread(target=_succeed_elsewhere, args=(second, 2))
    with published() as messages:
        with transaction.atomic():
            site.backend.store_result("first", 1, states.SUCCESS, request=first)
            other.start()
            if connection.vendor == "postgresql":  # on SQLite it cannot even begin its transaction
                wait_for(somebody_waits_for_a_lock, "the other member waits for the chord")
        other.join()
        site.backend.on_chord_part_return(first, states.SUCCESS, 1)

    assert [body.args for body in messages] == [[[1, 2]]]
    assert not Chord.objects.exists()


def _succeed_elsewhere(member: Context, value: int) -> None:
    try:
        Site().succeed(member, value)
    finally:
        connections.close_all()


def test_a_body_that_takes_no_results_is_published_without_reading_them(site: Site) -> None:
    first, second = site.begin(site.same.si("alone"), "first", "second")
    with published() as messages:
        site.succeed(first)
        TaskResult.objects.update(result="not JSON")
        site.succeed(second)

    assert [body.args for body in messages] == [["alone"]]


def test_a_body_keeps_arguments_that_the_database_has_no_words_for(site: Site) -> None:
    arguments = ["\0", float("inf"), timezone.now()]
    (member,) = site.begin(site.same.si(arguments), "member")
    with published() as messages:
        site.succeed(member)

    assert [body.args for body in messages] == [[arguments]]


@pytest.mark.parametrize("failing", [["first"], ["second"], ["first", "second"]])
def test_the_error_callbacks_called_in_place_of_the_body_are_told_which_members_failed(
    site: Site, failing: list[str]
) -> None:
    members = site.begin(site.total.s().on_error(site.same.si("it failed")), "first", "second")
    with published() as messages:
        for member in members:
            end = site.fail if member.id in failing else site.succeed
            end(member)

    assert [errback.args for errback in messages] == [["it failed"]]
    assert told_by(messages) == [failing]


@pytest.mark.parametrize("body", ["a group", "a chord"])
def test_so_are_those_of_a_body_that_is_more_than_a_task(site: Site, body: str) -> None:
    errback = site.same.si("it failed")
    parts = [site.same.si(part).on_error(errback) for part in (1, 2)]
    bodies = {"a group": group(parts, app=site.app), "a chord": chord([site.same.si(1)], parts[0], app=site.app)}
    (member,) = site.begin(bodies[body], "member")
    with published() as messages:
        site.fail(member)

    assert told_by(messages) == [["member"]] * (2 if body == "a group" else 1)


def told_by(messages: list[Context]) -> list[Any]:
    return [(message.headers or {}).get("failed_members") for message in messages]


def test_a_body_that_cannot_be_published_ever_has_failed(site: Site) -> None:
    (member,) = site.begin(site.total.s("too", "many").set(task_id="body"), "member")

    site.succeed(member)

    failure = site.app.AsyncResult("body").result
    assert isinstance(failure, ChordError)
    assert str(failure).startswith("Callback error: TypeError")
    assert not Chord.objects.exists()


def test_a_chord_whose_message_comes_twice_is_there_once(site: Site) -> None:
    for _ in range(2):
        site.backend.apply_chord(("a-group", [site.app.AsyncResult("member")]), site.total.s())

    assert Chord.objects.get().group_id == "a-group"


def test_how_a_member_failed_before_it_was_published_again_is_not_how_it_ends(site: Site) -> None:
    first, second = site.begin(site.total.s(), "first", "second")
    site.fail(first)
    site.fail(second)
    assert not Chord.objects.exists()

    first, second = site.begin(site.total.s(), "first", "second")
    with published() as messages:
        site.succeed(first, 1)
        assert not messages
        site.succeed(second, 2)

    assert [body.args for body in messages] == [[[1, 2]]]


def test_a_member_may_say_itself_how_it_ended(site: Site) -> None:
    """It stores its result and raises Ignore; then Celery does not say that it has come back."""
    (member,) = site.begin(site.total.s(), "member")
    site.backend.store_result("member", 7, states.SUCCESS, request=member)

    let_the_claim_run_out()
    with published() as messages:
        assert site.backend.publish_due_chords() == 1
    assert [body.args for body in messages] == [[[7]]]


# --- Points -----------------------------------------------------------------------------------------------
def test_the_tasks_of_a_run_tell_where_they_are(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr(points, "_hooks", [lambda *point: told.append(point)])
    (member,) = site.begin(site.total.s().set(task_id="a-run.after"), "a-run.before")
    site.succeed(member)
    site.backend.store_result(str(uuid4()), 1, states.SUCCESS)

    assert told == [
        ("a-run", "before", "result: before store"),
        ("a-run", "before", "result: stored"),
        ("a-run", "after", "chord: before publish"),
        ("a-run", "after", "chord: published"),
    ]
