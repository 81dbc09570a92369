"""A run whose verdict is of high risk has its person asked again; what is published for it, and what the task does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import answers
from accounts.models import Notice, SignIn
from tests.workflows.conftest import SAFARI
from tests.workflows.risk_service import ALLOW, DENY, RiskService
from workflows import follow_ups, retention, steps
from workflows.models import Alert, Run

STEPS = [steps.check_device, steps.notify_user, steps.save_event, steps.post_to_risk_api, steps.post_process]
DAY = timedelta(hours=24)

pytestmark = pytest.mark.usefixtures("risk")


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the broker was given."""
    taken: list[dict[str, Any]] = []
    monkeypatch.setattr(follow_ups.follow_up, "apply_async", lambda args, **how: taken.append({"args": args, **how}))
    return taken


def do_all(run: Run) -> Run:
    for step in STEPS:
        step(run.pk)
    run.refresh_from_db()
    return run


@pytest.fixture
def denied(run: Run, make_run: Callable[..., Run], risk: RiskService) -> Notice:
    """The notice of a sign-in from a second device that was denied."""
    do_all(run)
    risk.will_say(DENY)
    do_all(make_run(user_agent=SAFARI))
    return Notice.objects.get()


@pytest.fixture
def due(denied: Notice) -> Notice:
    Notice.objects.update(follow_up_at=timezone.now())
    denied.refresh_from_db()
    return denied


def test_a_notice_of_a_denied_sign_in_is_followed_up_a_day_later(denied: Notice) -> None:
    assert denied.state == Notice.State.SENT
    assert denied.follow_up_at is not None
    assert abs(denied.follow_up_at - timezone.now() - DAY) < timedelta(seconds=30)


def test_a_denied_sign_in_from_a_device_that_needs_no_notice_is_told_all_the_same(run: Run, risk: RiskService) -> None:
    risk.will_say(DENY)

    assert do_all(run).state == Run.State.SUCCEEDED
    notice = Notice.objects.get(sign_in=run.sign_in)
    assert (notice.state, notice.message_id) == ("handed_over", f"<{run.pk}.post_process@testserver>")
    assert notice.follow_up_at is not None


@pytest.mark.parametrize(
    ("assessment", "followed_up"),
    [
        (ALLOW, False),
        (DENY | {"decision": "challenge", "level": "medium"}, False),
        (DENY | {"decision": "challenge"}, True),
        (DENY | {"level": "medium"}, True),
    ],
)
def test_high_risk_is_a_high_level_or_a_denial(
    run: Run, risk: RiskService, assessment: dict[str, Any], followed_up: bool
) -> None:
    risk.will_say(assessment)
    do_all(run)

    assert Notice.objects.filter(follow_up_at__isnull=False).exists() == followed_up


def test_an_ordinary_sign_in_pays_nothing_for_it(
    run: Run, django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.follow_ups.ask_about", lambda *_, **__: pytest.fail("it was asked about"))
    do_all(run)


def test_what_is_due_within_two_minutes_is_published_with_its_time_and_expires_an_hour_after(
    denied: Notice, published: list[dict[str, Any]]
) -> None:
    at = denied.follow_up_at
    assert at is not None
    with time_machine.travel(at - timedelta(minutes=2, seconds=1), tick=False):
        assert follow_ups.publish_due() == 0
    with time_machine.travel(at - timedelta(minutes=1), tick=False):
        assert follow_ups.publish_due() == 1

    assert published == [{"args": (denied.pk,), "eta": at, "expires": at + timedelta(hours=1)}]


def test_what_is_overdue_is_published_until_it_is_done_and_not_expired_by_then(
    denied: Notice, published: list[dict[str, Any]]
) -> None:
    with time_machine.travel(timezone.now() + 3 * DAY, tick=False):
        assert follow_ups.publish_due() == follow_ups.publish_due() == 1
        assert published[0]["expires"] == timezone.now() + timedelta(hours=1)
        follow_ups.follow_up(denied.pk)
        assert follow_ups.publish_due() == 0


def test_nobody_answered_and_the_person_is_asked_again_and_the_operators_are_told(due: Notice) -> None:
    assert follow_ups.follow_up(due.pk)
    assert not follow_ups.follow_up(due.pk)

    assert [letter.subject.partition(":")[0] for letter in mail.outbox] == [
        "New sign-in to your account",
        "We have not heard from you",
    ]
    alert = Alert.objects.get(kind=Alert.Kind.UNANSWERED)
    assert (alert.run_id, alert.text) == (
        due.sign_in.run.pk,
        "alice has not answered for a sign-in from 192.0.2.7",
    )


def test_somebody_answered_and_nothing_happens(due: Notice) -> None:
    answers.answer(due.sign_in, SignIn.Answer.MINE)

    assert not follow_ups.follow_up(due.pk)
    assert len(mail.outbox) == 1
    assert not Alert.objects.exists()


def test_the_mail_server_is_away_and_the_deliveries_go_on_with_it(due: Notice, monkeypatch: pytest.MonkeyPatch) -> None:
    from workflows.periodic import deliver_notices

    with monkeypatch.context() as broken:
        broken.setattr("django.core.mail.EmailMultiAlternatives.send", _refuse)
        assert not follow_ups.follow_up(due.pk)
    assert Alert.objects.count() == 1
    assert deliver_notices() == 0, "not before its next attempt"
    Notice.objects.filter(follow_up_of=due).update(next_attempt_at=timezone.now())
    assert deliver_notices() == 1
    assert len(mail.outbox) == 2


def test_operators_are_told_of_one_that_cannot_be_made(due: Notice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.notices.notice_context", _err)

    assert not follow_ups.follow_up(due.pk)

    alert = Alert.objects.get(kind=Alert.Kind.NOTICE_NOT_MADE)
    assert (alert.run_id, alert.text) == (due.sign_in.run.pk, f"follow-up of the {due}: KeyError: 'place'")


def test_what_is_claimed_and_not_sent_is_sent_by_the_deliveries(due: Notice, monkeypatch: pytest.MonkeyPatch) -> None:
    from workflows.periodic import deliver_notices

    with monkeypatch.context() as killed:
        killed.setattr("accounts.notices.deliver", _die)
        with pytest.raises(KeyboardInterrupt):
            follow_ups.follow_up(due.pk)
    assert deliver_notices() == 1
    assert len(mail.outbox) == 2
    assert not follow_ups.follow_up(due.pk)


def test_a_follow_up_is_forgotten_with_its_sign_in(due: Notice, settings: Settings) -> None:
    follow_ups.follow_up(due.pk)
    settings.RETENTION_SIGN_INS_DAYS = 1
    SignIn.objects.update(created_at=timezone.now() - timedelta(days=2))
    counted = retention.count_due()

    deleted = retention.delete_due(seconds=5)

    assert counted["accounts.Notice"] == deleted["accounts.Notice"] == 2
    assert not Notice.objects.exists()


def _refuse(*_: object) -> None:
    raise ConnectionRefusedError


def _err(notice: Notice) -> dict[str, Any]:
    raise KeyError("place")


def _die(*_: object) -> datetime:
    raise KeyboardInterrupt
