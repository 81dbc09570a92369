"""A process is killed in the middle of a password change's workflow, and each of its effects is there once."""

from __future__ import annotations

import secrets
from collections import Counter

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

from accounts.models import Notice, PasswordChange, SecurityEvent, SignIn, User
from tests import servers
from tests.crashes import plans
from tests.crashes.trial import Trial
from tests.crashes.windows import Window
from tests.waiting import wait_for
from workflows import publishing
from workflows.models import Run, Step
from workflows.password_steps import Name
from workflows.runs import create_run_of

# Their work is done before the first of them, by the fixture; they only read.
pytestmark = pytest.mark.django_db

SECONDS = 300.0
WINDOWS = [
    Window(Name.RECORD, "before commit"),
    Window(Name.NOTIFY_USER, "mail: before sending"),
    Window(Name.NOTIFY_USER, "mail: accepted", mails=2),
    Window(Name.END_OTHER_SESSIONS, "before commit"),
    Window(Name.END_OTHER_SESSIONS, "committed"),
    Window(Name.POST_PROCESS, "chord: before publish", who="the last of the group"),
    Window(Name.POST_PROCESS, "committed"),
]


@pytest.fixture(scope="module")
def runs(trial: Trial, worker: servers.Server) -> dict[Window, Run]:
    """The run of each window, when it has ended."""
    begun = {window: begin(trial, window) for window in WINDOWS}
    for window, run in begun.items():
        wait_for(lambda run=run: trial.has_ended(run), f"the run ends: {window}", seconds=SECONDS)  # type: ignore[misc]
    return begun


def begin(trial: Trial, window: Window) -> Run:
    """The run of a change by somebody with another session beside the one that stays; somebody dies in ``window``."""
    user = trial.make_person()
    _, stays = make_session(user), make_session(user)
    change = PasswordChange.objects.create(user=user, how=PasswordChange.How.CHANGED, session_key=stays)
    run = create_run_of("password_change", user, password_change=change.pk)
    plans.plan(trial.folder, run.pk, window.step, window.point)
    publishing.publish(run)
    return run


def make_session(user: User) -> str:
    session = SessionStore()
    session.create()
    key = str(session.session_key)
    SignIn.objects.create(user=user, issued_token=secrets.token_hex(32), session_key=key)
    return key


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_the_run_ends_right(window: Window, trial: Trial, runs: dict[Window, Run]) -> None:
    run = runs[window]
    run.refresh_from_db()
    change = PasswordChange.objects.get(pk=(run.facts or {})["password_change"])
    keys = SignIn.objects.filter(user=run.owner).values("session_key")
    events = SecurityEvent.objects.filter(password_change=change).values_list("kind", "details")

    assert run.state == Run.State.SUCCEEDED
    assert set(run.steps.values_list("state", flat=True)) == {Step.State.SUCCEEDED}
    assert list(Session.objects.filter(pk__in=keys).values_list("pk", flat=True)) == [change.session_key]
    assert sorted(events) == [("password_changed", {"how": "changed"}), ("sessions_ended", {"sessions": 1})]
    assert Notice.objects.get(password_change=change).state == Notice.State.SENT
    mails = Counter(mail["Message-ID"] for mail in trial.mail.received if mail["To"] == run.owner.email)
    assert list(mails.values()) == [window.mails]
