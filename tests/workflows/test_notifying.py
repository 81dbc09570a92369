"""The step that mails, as a plain function, with a mail server that is away, refuses, or is never reached."""

from __future__ import annotations

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.core import mail
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from accounts import notices
from accounts.models import Notice
from tests.workflows.doing import do_all, end_the_lease, raising, step_of
from tests.workflows.doing import second_device_run as second_device_run  # the fixture
from workflows import ledger, notifying, periodic, runs, steps
from workflows.ledger import TryAgain
from workflows.models import Alert, Run, Step
from workflows.steps import Name

pytestmark = pytest.mark.usefixtures("risk")


def test_a_new_device_is_told_to_its_owner_by_one_mail(second_device_run: Run) -> None:
    steps.check_device(second_device_run.pk)
    result = steps.notify_user(second_device_run.pk)

    (message,) = mail.outbox
    assert message.to == ["alice@example.com"]
    assert result["notice"] == "sent"
    assert Notice.objects.get().state == Notice.State.SENT
    assert message.extra_headers["Message-ID"] == f"<{second_device_run.pk}.notify_user@testserver>"


def test_a_mail_server_that_is_away_is_tried_three_times_and_then_the_mail_is_handed_over(
    second_device_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", raising(ConnectionRefusedError("away")))
    steps.check_device(second_device_run.pk)

    delays = []
    for _ in range(2):
        with pytest.raises(TryAgain) as again:
            steps.notify_user(second_device_run.pk)
        delays.append(again.value.delay)
        second_device_run.refresh_from_db()
        assert second_device_run.state == Run.State.RETRYING
        assert step_of(second_device_run, Name.NOTIFY_USER).error == "away"
        end_the_lease(second_device_run, Name.NOTIFY_USER)
    result = steps.notify_user(second_device_run.pk)

    assert sum(delays) <= 30
    assert result["notice"] == "handed_over"
    assert Notice.objects.get().state == Notice.State.HANDED_OVER


def cut_off(run: Run, times: int) -> None:
    """Each attempt at the mail was killed, and its lease is over."""

    def die(step: Step) -> dict[str, Any]:
        raise KeyboardInterrupt

    for _ in range(times):
        with pytest.raises(KeyboardInterrupt):
            ledger.outside(run.pk, Name.NOTIFY_USER, die, lease=timedelta(0))


def test_a_mail_of_which_every_attempt_was_cut_off_is_handed_over_untried(second_device_run: Run) -> None:
    steps.check_device(second_device_run.pk)
    cut_off(second_device_run, times=len(notifying.NOTICE_DELAYS) + 1)

    assert steps.notify_user(second_device_run.pk)["notice"] == "handed_over"
    assert mail.outbox == []


def test_a_mail_that_was_cut_off_until_its_step_failed_is_tried_once_a_person_has_it_go_on(
    second_device_run: Run,
) -> None:
    steps.check_device(second_device_run.pk)
    cut_off(second_device_run, times=ledger.MOST_CUT_OFF)
    ledger.may_go_on([second_device_run.pk])
    assert runs.reopen_failed_runs() == 1

    assert steps.notify_user(second_device_run.pk)["notice"] == "sent"
    assert len(mail.outbox) == 1
    numbers = step_of(second_device_run, Name.NOTIFY_USER).failed_attempts.values_list("number", flat=True)
    assert list(numbers) == list(range(1, ledger.MOST_CUT_OFF + 1)), "they stay on record"


def test_a_run_whose_mail_was_handed_over_is_degraded_until_it_went_out(
    second_device_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workflows.periodic import deliver_notices

    with monkeypatch.context() as away:
        away.setattr("django.core.mail.EmailMultiAlternatives.send", raising(TimeoutError("away")))
        away.setattr(notifying, "NOTICE_DELAYS", ())
        do_all(second_device_run)
    second_device_run.refresh_from_db()
    assert second_device_run.state == Run.State.DEGRADED

    Notice.objects.update(next_attempt_at=timezone.now())
    assert deliver_notices() == 1

    second_device_run.refresh_from_db()
    assert second_device_run.state == Run.State.SUCCEEDED
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("bug_in", ["notice_context", "give"])
def test_a_mail_that_cannot_be_made_does_not_hold_up_the_verdict_and_goes_out_once_that_is_mended(
    second_device_run: Run, monkeypatch: pytest.MonkeyPatch, bug_in: str
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(notices, bug_in, raising(LookupError("place \0 \udc80")))  # PostgreSQL refuses both
        results = do_all(second_device_run)
    second_device_run.refresh_from_db()
    assert (results[1]["notice"], results[1]["error"]) == ("not_made", "LookupError: place  ?")
    assert (second_device_run.state, len(mail.outbox)) == (Run.State.DEGRADED, 0)
    alert = Alert.objects.get()
    assert (alert.kind, alert.run, alert.text) == (
        Alert.Kind.NOTICE_NOT_MADE,
        second_device_run,
        "notify_user: LookupError: place  ?",
    )

    Notice.objects.update(next_attempt_at=timezone.now())
    periodic.deliver_notices()

    second_device_run.refresh_from_db()
    assert (second_device_run.state, len(mail.outbox)) == (Run.State.SUCCEEDED, 1)


@pytest.mark.parametrize("hindrance", [SoftTimeLimitExceeded(), OperationalError("away"), InterfaceError("closed")])
def test_what_hinders_the_making_of_a_mail_says_nothing_of_the_mail(
    second_device_run: Run, monkeypatch: pytest.MonkeyPatch, hindrance: Exception
) -> None:
    monkeypatch.setattr(notices, "notice_context", raising(hindrance))
    steps.check_device(second_device_run.pk)

    with pytest.raises(TryAgain):
        steps.notify_user(second_device_run.pk)


def test_a_mail_that_is_refused_for_good_does_not_hold_up_the_verdict(
    second_device_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = smtplib.SMTPRecipientsRefused({"alice@example.com": (550, b"no such user")})
    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", raising(refused))

    do_all(second_device_run)

    second_device_run.refresh_from_db()
    assert second_device_run.state == Run.State.DEGRADED
    assert Notice.objects.get().state == Notice.State.GIVEN_UP
