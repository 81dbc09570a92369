"""Rows are done together; where one does not bear that, each by itself; and what is outside is never counted twice."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.models import SecurityEvent, User
from tests.bulk.conftest import work_off
from workflows.bulk import files, lanes, registry, turns, working
from workflows.bulk.models import BulkFailure, BulkJob, BulkLane
from workflows.bulk.registry import Action, Did, RowFailed, Work

Queue = Callable[..., BulkJob]
Do = Callable[[BulkJob], BulkJob]


class Killed(BaseException):
    pass


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Registers an action on people."""

    def add(name: str, **fields: Any) -> None:
        common: dict[str, Any] = {"title": name, "model": User, "permission": "bulk_sign_out", "explains": ""}
        monkeypatch.setitem(registry._actions, name, Action(name, **common, **fields))

    return add


def touch(user: User, work: Work) -> Did:
    """Fails where somebody is called Bad; there is nothing to do where somebody is called Idle."""
    if user.first_name == "Bad":
        raise RowFailed("it is bad")
    if user.first_name == "Idle":
        return Did.SKIPPED
    User.objects.filter(pk=user.pk).update(last_name=user.last_name + "x")
    work.lines.append(f"{user.username}\r\n")
    return Did.DONE


def touch_many(users: list[User], work: Work) -> set[int]:
    return {user.pk for user in users if touch(user, work) == Did.DONE}


def call(user: User, name: str) -> None:
    User.objects.filter(pk=user.pk).update(first_name=name)


def names() -> dict[str, int]:
    """How often each person was touched."""
    return {user.username: len(user.last_name) for user in User.objects.filter(username__startswith="person")}


def begin(job: BulkJob) -> None:
    """Select its rows."""
    turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)


def begin_and_be_killed(job: BulkJob) -> None:
    begin(job)
    with pytest.raises(Killed):
        turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)


def go_on(job: BulkJob) -> BulkJob:
    """The lease of the lane is over."""
    BulkLane.objects.filter(job=job, due_at__isnull=False).update(due_at=timezone.now())
    lanes.revive_due()
    return work_off(job)


def test_what_can_be_done_at_once_is_done_at_once_and_counted_by_row(
    people: list[User], queue: Queue, register: Callable[..., None]
) -> None:
    calls: list[int] = []

    def many(users: list[User], work: Work) -> set[int]:
        calls.append(len(users))
        return touch_many(users, work)

    register("touch", do=touch, do_many=many, subject=lambda user: user.pk)
    call(people[2], "Idle")
    job = queue("touch")
    begin(job)
    people[5].delete()

    job = work_off(job)

    assert calls == [11]
    assert (job.total, job.done, job.skipped, job.gone, job.failed) == (12, 10, 2, 1, 0)
    assert sum(names().values()) == 10
    told = SecurityEvent.objects.filter(user__username__startswith="person", details__action="touch")
    assert told.count() == told.values("user").distinct().count() == 10


@pytest.mark.parametrize("how", [{}, {"do_many": touch_many}])
def test_where_a_row_does_not_bear_that_it_fails_alone_and_nothing_is_done_or_written_twice(
    people: list[User], queue: Queue, do: Do, register: Callable[..., None], how: dict[str, Any]
) -> None:
    register("touch", do=touch, header="name\r\n", **how)
    call(people[7], "Bad")

    job = do(queue("touch"))

    assert (job.done, job.failed) == (11, 1)
    assert names() == {user.username: 1 for user in people} | {"person07": 0}
    assert BulkFailure.objects.get().reason == "it is bad"
    lines = list(csv.reader("".join(files.export(job, registry.get("touch"))).splitlines()))
    assert lines == [["name"], *([user.username] for user in people if user.username != "person07")]


@pytest.mark.parametrize("how", [{}, {"do_many": touch_many}])
def test_a_dry_run_at_once_changes_nothing(
    people: list[User], queue: Queue, do: Do, register: Callable[..., None], how: dict[str, Any]
) -> None:
    register("touch", do=touch, destroys=True, **how)

    assert do(queue("touch", dry_run=True)).done == 12
    assert set(names().values()) == {0}


def test_many_are_signed_out_at_once_and_nobody_else_is(
    people: list[User], signed_in: Callable[[User], str], queue: Queue, do: Do
) -> None:
    mine = [signed_in(user) for user in (people[0], people[0], people[3])]
    others = signed_in(people[1])

    job = do(queue("sign_out", ids=[people[number].pk for number in (0, 2, 3)]))

    assert (job.done, job.skipped) == (2, 1)
    assert not Session.objects.filter(pk__in=mine).exists()
    assert Session.objects.filter(pk=others).exists()


@pytest.fixture
def posted(register: Callable[..., None]) -> list[str]:
    """Who has got a post, of an action "post"; person04 has the process killed before that."""
    got: list[str] = []

    def post(user: User, work: Work) -> Did:
        if user.username == "person04" and len(got) == 4:
            got.append("killed")
            raise Killed
        if user.first_name == "Bad":
            raise RowFailed("it is bad")
        got.append(user.username)
        return Did.DONE

    register("post", do=post, outside=True, subject=lambda user: user.pk)
    return got


def test_what_was_posted_and_not_counted_when_its_process_was_killed_is_counted_and_not_posted_again(
    people: list[User], queue: Queue, posted: list[str]
) -> None:
    job = queue("post")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(working, "_note_outside", _killed)
        begin_and_be_killed(job)
    job.refresh_from_db()
    assert job.done == 0

    job = go_on(job)

    assert [name for name in posted if name != "killed"] == [user.username for user in people]
    assert job.done == 12
    told = SecurityEvent.objects.filter(user__username__startswith="person", details__action="post")
    assert told.count() == told.values("user").distinct().count() == 12
    assert set(BulkLane.objects.values_list("written", flat=True)) == {None}


def test_a_row_that_failed_outside_and_was_not_counted_has_failed_for_the_same_reason(
    people: list[User], queue: Queue, posted: list[str]
) -> None:
    posted.append("one more, for the one that fails")
    call(people[1], "Bad")
    job = queue("post")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(working, "_note_outside", _killed)
        begin_and_be_killed(job)

    job = go_on(job)

    assert (job.done, job.failed) == (11, 1)
    assert (BulkFailure.objects.get().row, BulkFailure.objects.get().reason) == (str(people[1].pk), "it is bad")


def test_whoever_is_deleted_before_it_was_counted_that_they_got_a_post_holds_nothing_up(
    people: list[User], queue: Queue, posted: list[str]
) -> None:
    job = queue("post")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(working, "_note_outside", _killed)
        begin_and_be_killed(job)
    people[0].delete()

    job = go_on(job)

    assert (job.done, job.left) == (12, 0)


def test_what_was_posted_is_counted_when_something_else_ends_the_turn(
    people: list[User], queue: Queue, posted: list[str]
) -> None:
    job = queue("post")
    begin_and_be_killed(job)
    job.refresh_from_db()

    assert job.done == 4


def _killed(*args: Any) -> None:
    raise Killed
