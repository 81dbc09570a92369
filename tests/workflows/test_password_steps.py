"""The steps of a password change as plain functions."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Notice, PasswordChange, SecurityEvent, SignIn, User
from tests.accounts.browser import CHROME_ON_LINUX, ELSEWHERE, Browser
from tests.accounts.test_password_changes import change_password
from tests.workflows.error_calls import call
from tests.workflows.password_changes import MakeChange, MakeSession, change_of, is_alive
from tests.workflows.password_changes import make_change as make_change  # the fixture
from tests.workflows.password_changes import make_session as make_session  # the fixture
from workflows import about, notifying, periodic, tasks
from workflows import password_change as tasks_of_password_change
from workflows import password_steps as steps
from workflows.ledger import LEASE, TryAgain
from workflows.models import Run, Step
from workflows.password_change import PASSWORD_CHANGE
from workflows.password_steps import Name
from workflows.presentation.result_words import says_of_result
from workflows.presentation.words import MAIL_FOLLOWS, show_run

ALL = [steps.record, steps.notify_user, steps.end_other_sessions, steps.post_process]
Kind = SecurityEvent.Kind


def do_all(run: Run) -> list[dict[str, Any]]:
    return [step(run.pk) for step in ALL]


@pytest.fixture
def run(make_change: MakeChange) -> Run:
    return make_change()


def test_the_steps_are_read_from_the_canvas() -> None:
    planned = [(step.name, step.stage, step.queue, step.skippable) for step in PASSWORD_CHANGE.steps]

    assert planned == [
        (Name.RECORD, 0, "sign_in", False),
        (Name.NOTIFY_USER, 1, "mail", True),
        (Name.END_OTHER_SESSIONS, 1, "under_way", False),
        (Name.POST_PROCESS, 2, "under_way", False),
    ]


def test_a_changed_password_becomes_a_run_that_names_it_and_no_session(alice: User) -> None:
    browser = Browser()
    browser.sign_in(alice)
    change_password(browser)

    run = Run.objects.get(kind="password_change")
    change = PasswordChange.objects.get()
    assert (run.owner, run.sign_in_id, run.facts) == (alice, None, {"password_change": change.pk})
    assert change.session_key
    assert change.session_key not in json.dumps([run.facts, *(step.result for step in run.steps.all())])


def test_the_steps_in_turn_finish_the_run(run: Run) -> None:
    results = do_all(run)

    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED
    assert {(step.state, step.attempts) for step in run.steps.all()} == {(Step.State.SUCCEEDED, 1)}
    record, notice, ended, processed = results
    assert record == {"event": SecurityEvent.objects.get(kind=Kind.PASSWORD_CHANGED).pk, "how": "changed"}
    assert notice == {"notice": "sent", "id": Notice.objects.get().pk}
    assert ended == {"sessions": 0}
    assert processed == {"notice": "sent", "sessions": 0}


def test_steps_that_are_done_do_not_act_again(run: Run, make_session: MakeSession) -> None:
    first = do_all(run)
    afterwards = make_session()

    assert do_all(run) == first
    assert len(mail.outbox) == 1
    assert SecurityEvent.objects.count() == 2
    assert is_alive(afterwards)


def test_the_mail_follows_from_the_run_and_says_what_happened(run: Run) -> None:
    steps.notify_user(run.pk)

    (message,) = mail.outbox
    assert message.to == ["alice@example.com"]
    assert message.subject == "The password of your account was changed"
    assert message.extra_headers["Message-ID"] == f"<{run.pk}.notify_user@testserver>"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [Kind.PASSWORD_CHANGED, Kind.SESSIONS_ENDED])
def test_an_event_of_a_change_is_unique_by_constraint(run: Run, kind: str) -> None:
    do_all(run)

    with pytest.raises(IntegrityError), transaction.atomic():
        SecurityEvent.objects.create(kind=kind, password_change=change_of(run))


def test_other_sessions_end_and_the_one_that_stays_does_not(make_change: MakeChange, make_session: MakeSession) -> None:
    others, stays = [make_session() for _ in range(3)], make_session()
    run = make_change(session_key=stays)

    assert steps.end_other_sessions(run.pk) == {"sessions": 3}

    assert not any(map(is_alive, others))
    assert is_alive(stays)
    event = SecurityEvent.objects.get()
    assert (event.kind, event.details, event.user) == (Kind.SESSIONS_ENDED, {"sessions": 3}, run.owner)


def test_after_a_reset_none_stays(make_change: MakeChange, make_session: MakeSession) -> None:
    keys = [make_session() for _ in range(2)]

    steps.end_other_sessions(make_change(how=PasswordChange.How.RESET).pk)

    assert not any(map(is_alive, keys))


def test_another_persons_session_stays(make_change: MakeChange, make_session: MakeSession, bob: User) -> None:
    bobs = make_session()
    SignIn.objects.update(user=bob)

    assert steps.end_other_sessions(make_change().pk) == {"sessions": 0}
    assert is_alive(bobs)


def test_who_signs_in_while_the_run_waits_stays(make_change: MakeChange, make_session: MakeSession) -> None:
    run = make_change()
    afterwards = make_session()

    steps.end_other_sessions(run.pk)

    assert is_alive(afterwards)


def test_a_session_whose_key_has_changed_since_stays(alice: User) -> None:
    """As after a second change, while the run of the first still waits."""
    browser, other = Browser(), Browser(CHROME_ON_LINUX, ELSEWHERE)
    for each in (browser, other):
        each.sign_in(alice)
    change_password(browser)
    alice.refresh_from_db()
    change_password(browser, old="another-horse-battery")

    first, second = Run.objects.filter(kind="password_change").order_by("created_at")
    assert steps.end_other_sessions(first.pk) == {"sessions": 1}
    assert steps.end_other_sessions(second.pk) == {"sessions": 0}
    assert (browser.is_signed_in(), other.is_signed_in()) == (True, False)


def test_what_retention_has_emptied_and_what_has_run_out_is_no_session(
    make_change: MakeChange, make_session: MakeSession
) -> None:
    from django.contrib.sessions.models import Session

    make_session()
    SignIn.objects.update(session_key="", emptied_at=timezone.now())
    Session.objects.filter(pk=make_session()).update(expire_date=timezone.now())

    assert steps.end_other_sessions(make_change().pk) == {"sessions": 0}


# --- Where the mail server is away ----------------------------------------------------------------------------


def test_a_run_whose_mail_was_handed_over_is_degraded_until_it_went_out(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object, **kwargs: object) -> None:
        raise TimeoutError("away")

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMultiAlternatives.send", away)
        with pytest.raises(TryAgain):
            steps.notify_user(run.pk)
        run.steps.update(leased_until=None)
        patch.setattr(notifying, "NOTICE_DELAYS", ())
        do_all(run)
    run.refresh_from_db()
    assert run.state == Run.State.DEGRADED
    assert run.steps.get(name=Name.POST_PROCESS).result == {"notice": "handed_over", "sessions": 0}
    assert periodic.deliver_notices() == 0, "it is not due yet"
    run.refresh_from_db()
    assert run.state == Run.State.DEGRADED

    Notice.objects.update(next_attempt_at=timezone.now())
    assert periodic.deliver_notices() == 1

    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED
    assert [message.to for message in mail.outbox] == [["alice@example.com"]]


def test_another_runs_mail_mends_nothing(make_change: MakeChange) -> None:
    degraded, other = make_change(), make_change()
    for run in (degraded, other):
        do_all(run)
    Notice.objects.filter(password_change=change_of(degraded)).update(state=Notice.State.GIVEN_UP)
    Run.objects.filter(pk=degraded.pk).update(state=Run.State.DEGRADED)

    periodic.deliver_notices()

    degraded.refresh_from_db()
    assert degraded.state == Run.State.DEGRADED


def test_a_notice_whose_step_failed_for_good_is_given_up(run: Run, make_change: MakeChange) -> None:
    other = make_change()
    for each in (run, other):
        Notice.objects.create(password_change=change_of(each), message_id=f"<{each.pk}>")
    run.steps.filter(name=Name.NOTIFY_USER).update(state=Step.State.FAILED, error="a bug")

    call(tasks.on_notice_error, run, Name.NOTIFY_USER)

    (noted,) = run.callback_calls.all()
    assert (noted.level, noted.step, noted.reason) == ("member", Name.NOTIFY_USER, "failed")
    assert Notice.objects.get(password_change=change_of(run)).state == Notice.State.GIVEN_UP
    assert Notice.objects.get(password_change=change_of(other)).state == Notice.State.CLAIMED


def test_a_run_of_neither_has_no_notice(alice: User, run: Run) -> None:
    Notice.objects.create(password_change=change_of(run), message_id="<of another>")

    assert not about.notices_of(Run(kind="another", user=alice)).exists()


def test_a_lease_is_longer_than_the_hard_time_limit_of_its_task() -> None:
    assert timedelta(seconds=tasks_of_password_change.notify_user.time_limit or 0) < LEASE


@pytest.mark.parametrize(
    ("others", "says"), [(0, "no other sessions ended"), (1, "1 other session ended"), (2, "2 other sessions ended")]
)
def test_pages_say_what_the_steps_did(
    make_change: MakeChange, make_session: MakeSession, others: int, says: str
) -> None:
    for _ in range(others):
        make_session()
    run = make_change()

    results = dict(zip(Name, do_all(run), strict=True))

    assert [says_of_result(name, result) for name, result in results.items()] == [
        "written to the security log",
        "mail sent",
        says,
        "",
    ]


def test_a_page_says_that_the_mail_follows(run: Run) -> None:
    do_all(run)
    Notice.objects.update(state=Notice.State.HANDED_OVER)
    Run.objects.update(state=Run.State.DEGRADED)
    run.refresh_from_db()

    assert show_run(run, staff=False).says == MAIL_FOLLOWS
    Notice.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    assert show_run(run, staff=False).says.startswith(f"{MAIL_FOLLOWS} Later attempts: none so far, the next at ")
