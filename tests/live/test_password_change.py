"""A change of a password through a real worker: what it ends, what it tells, and once."""

from __future__ import annotations

import mailbox
from collections.abc import Callable

from celery.result import AsyncResult
from django.contrib.sessions.models import Session

from accounts.models import PasswordChange, SecurityEvent, User
from tests import servers
from tests.accounts.browser import CHROME_ON_LINUX, ELSEWHERE, Browser
from tests.accounts.test_password_changes import change_password
from tests.environment import SCRATCH
from tests.waiting import wait_for
from tests.workflows.password_changes import MakeChange
from tests.workflows.password_changes import make_change as make_change  # the fixture
from workflows.models import Run
from workflows.password_steps import Name
from workflows.publishing import publish

Finished = Callable[[Run], bool]


def mails_of(run: Run) -> list[str]:
    """To whom its notice went, each time."""
    message_id = f"<{run.pk}.notify_user@testserver>"
    return [mail["To"] for mail in mailbox.Maildir(SCRATCH / "mail") if mail["Message-ID"] == message_id]


def test_it_signs_the_other_browser_out_keeps_this_one_and_mails_once_though_published_five_times(
    worker: servers.Server, alice: User, finished: Finished
) -> None:
    here, there = Browser(), Browser(CHROME_ON_LINUX, ELSEWHERE)
    for browser in (here, there):
        browser.sign_in(alice)
    sessions = [browser.client.session.session_key for browser in (here, there)]

    change_password(here)
    run = Run.objects.get(kind="password_change")
    for _ in range(4):
        publish(run)
    wait_for(lambda: finished(run), "the run finishes")

    assert (run.state, run.published) == (Run.State.SUCCEEDED, 5)
    assert (here.is_signed_in(), there.is_signed_in()) == (True, False)
    assert not Session.objects.filter(pk__in=sessions).exists(), "this one's has another key"
    assert mails_of(run) == ["alice@example.com"]
    events = SecurityEvent.objects.filter(password_change=PasswordChange.objects.get())
    assert {event.kind: event.details for event in events} == {
        "password_changed": {"how": "changed"},
        "sessions_ended": {"sessions": 1},
    }
    assert {step.name: step.attempts for step in run.steps.all()} == dict.fromkeys(Name, 1)


def test_each_steps_result_lies_under_an_id_that_follows_from_the_run(
    worker: servers.Server, make_change: MakeChange, finished: Finished
) -> None:
    run = make_change()
    publish(run)
    wait_for(lambda: finished(run), "the run finishes")

    for step in run.steps.all():
        wait_for(AsyncResult(step.task_id).successful, "its result is stored")
        assert AsyncResult(step.task_id).result == step.result
    (first, members, last) = ({step.name for step in run.steps.filter(stage=stage)} for stage in range(3))
    assert (first, members, last) == (
        {Name.RECORD},
        {Name.NOTIFY_USER, Name.END_OTHER_SESSIONS},
        {Name.POST_PROCESS},
    )
