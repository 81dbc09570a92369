"""People to act on, operators with the permissions of a test, and jobs that are worked off as a worker would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.backends.db import SessionStore

from accounts.models import SignIn, User
from tests.workflows.conftest import FIREFOX
from workflows.bulk import finishing, jobs, messages, registry, selection, turns
from workflows.bulk.models import BulkJob, BulkLane


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the broker was handed; nobody takes it from there."""
    handed: list[tuple[Any, ...]] = []

    def send(task: str, *arguments: tuple[Any, ...]) -> bool:
        handed.extend((task, *one) for one in arguments)
        return True

    monkeypatch.setattr(messages, "send", send)
    return handed


@pytest.fixture
def make_operator(make_user: Callable[..., User]) -> Callable[..., User]:
    """Staff who may see people, devices, sign-ins and runs, and have these permissions."""

    def make(name: str, *permissions: str) -> User:
        user = make_user(name, is_staff=True)
        seen = ("view_user", "view_device", "view_signin", "view_run", "view_securityevent")
        user.user_permissions.set(Permission.objects.filter(codename__in=[*permissions, *seen]))
        return User.objects.get(pk=user.pk)

    return make


@pytest.fixture
def people(make_user: Callable[..., User]) -> list[User]:
    return [make_user(f"person{number:02}", first_name=f"Nr {number}") for number in range(12)]


@pytest.fixture
def signed_in() -> Callable[[User], str]:
    """Signs the person in; returns the key of their session."""

    def sign_in(user: User) -> str:
        session = SessionStore()
        session["of"] = user.pk
        session.create()
        assert session.session_key
        SignIn.objects.create(
            user=user,
            ip_address="192.0.2.7",
            user_agent=FIREFOX,
            issued_token=uuid4().hex,
            session_key=session.session_key,
        )
        return session.session_key

    return sign_in


@pytest.fixture
def queue(admin: User) -> Callable[..., BulkJob]:
    """Queues an action over what a filter of the list matches, or over these ids."""

    def queue_it(
        name: str, query: str = "q=person", ids: list[Any] | None = None, by: User = admin, **more: Any
    ) -> BulkJob:
        action = registry.get(name)
        chosen = selection.of_query(action, query) if ids is None else selection.of_ids(action, ids)
        options: dict[str, Any] = {"parameters": {}, "token": uuid4(), **more}
        return jobs.queue(action, selection=chosen, by=by, **options)[0]

    return queue_it


@pytest.fixture
def do() -> Callable[[BulkJob], BulkJob]:
    """Works the job off, one message after the other, until none is under way."""
    return work_off


def work_off(job: BulkJob, most: int = 1_000) -> BulkJob:
    for _ in range(most):
        lane = BulkLane.objects.filter(job=job, due_at__isnull=False).order_by("due_at").first()
        if lane is None:
            break
        turns.take_turn(job.pk, lane.number, lane.turn)
        job.refresh_from_db()
        if not job.is_active:
            break
    finishing.finish(job.pk)
    job.refresh_from_db()
    return job
