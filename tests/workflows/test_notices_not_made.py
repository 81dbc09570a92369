"""Operators are told of each mail that was handed over and that the site cannot make, whatever it tells of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts import notices
from accounts.models import EmailChange, Notice, User
from tests.workflows.conftest import SAFARI
from tests.workflows.password_changes import MakeChange, change_of
from tests.workflows.password_changes import make_change as make_change  # the fixture
from workflows import periodic, steps
from workflows.models import Alert, Run

Break = Callable[..., None]


@pytest.fixture
def break_mails(monkeypatch: pytest.MonkeyPatch) -> Break:
    """What a mail shows is found with an error from now on."""

    def make(error: Exception) -> None:
        def context_with_a_bug(notice: Notice) -> dict[str, Any]:
            raise error

        monkeypatch.setattr(notices, "notice_context", context_with_a_bug)

    return make


def deliver() -> None:
    """As if the next attempt were due."""
    Notice.objects.update(next_attempt_at=timezone.now())
    periodic.deliver_notices()


def told() -> list[tuple[Run | None, str]]:
    alerts = Alert.objects.filter(kind=Alert.Kind.NOTICE_NOT_MADE)
    return [(alert.run, alert.text) for alert in alerts.order_by("pk")]


def hand_over(**about: Any) -> Notice:
    return Notice.objects.create(**about, message_id="<1@testserver>", state=Notice.State.HANDED_OVER)


def test_a_notice_of_an_address_is_told_once_and_again_when_something_else_is_wrong(
    alice: User, break_mails: Break
) -> None:
    notice = hand_over(
        email_change=EmailChange.objects.create(user=alice, old="alice@example.com", new="a@example.com")
    )

    break_mails(KeyError("place"))
    deliver()
    deliver()
    assert told() == [(None, f"{notice}: KeyError: 'place'")]

    break_mails(ValueError("other"))
    deliver()
    assert [text.rpartition(": ")[2] for _, text in told()] == ["'place'", "other"]


def test_a_notice_of_a_password_is_told_with_its_run(make_change: MakeChange, break_mails: Break) -> None:
    run = make_change()
    notice = hand_over(password_change=change_of(run))
    break_mails(KeyError("place"))

    deliver()

    assert told() == [(run, f"{notice}: KeyError: 'place'")]


def test_one_that_waited_for_the_mail_server_is_told_with_its_run(run: Run, break_mails: Break) -> None:
    notice = hand_over(sign_in=run.sign_in)
    Notice.objects.update(last_error="it refused the connection", attempts=3)
    break_mails(KeyError("place"))

    deliver()

    assert told() == [(run, f"{notice}: KeyError: 'place'")]


def test_what_the_runs_step_has_told_is_not_told_again(make_run: Callable[..., Run], break_mails: Break) -> None:
    steps.check_device(make_run().pk)
    second = make_run(user_agent=SAFARI)
    steps.check_device(second.pk)
    break_mails(KeyError("place"))

    steps.notify_user(second.pk)
    deliver()

    assert told() == [(second, "notify_user: KeyError: 'place'")]
