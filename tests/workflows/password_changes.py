"""Password changes with their runs, made as the site makes them but without a browser."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

from accounts.models import PasswordChange, SignIn, User
from workflows.models import Run
from workflows.runs import create_run_of

MakeChange = Callable[..., Run]
MakeSession = Callable[..., str]


@pytest.fixture
def make_session(alice: User) -> MakeSession:
    """Signs alice in somewhere; returns the session's key."""

    def make(**fields: Any) -> str:
        session = SessionStore()
        session.create()
        key = str(session.session_key)
        SignIn.objects.create(user=alice, issued_token=secrets.token_hex(32), session_key=key, **fields)
        return key

    return make


@pytest.fixture
def make_change(alice: User) -> MakeChange:
    """Makes the run of a change of alice's password, which is told the fields of the change."""

    def make(**fields: Any) -> Run:
        how = PasswordChange.How.CHANGED
        change = PasswordChange.objects.create(**{"user": alice, "how": how, "ip_address": "192.0.2.7"} | fields)
        return create_run_of("password_change", change.user, password_change=change.pk)

    return make


def change_of(run: Run) -> PasswordChange:
    return PasswordChange.objects.get(pk=(run.facts or {})["password_change"])


def is_alive(key: str) -> bool:
    return Session.objects.filter(pk=key).exists()
