"""What the breaker of the mail server learns of mails, and what becomes of those that come while it is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.utils import timezone
from pytest_django import Settings

from accounts import notices
from accounts.models import Notice, SignIn
from loginwatch.chaos.mail import MailServer, Mood
from tests.workflows.conftest import make_run as make_run  # the fixture
from workflows import breakers, mailing
from workflows.breakers import OPENS_AFTER, Open
from workflows.models import Breaker, Run


@pytest.fixture
def mail(settings: Settings) -> Iterator[MailServer]:
    with MailServer() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.url.removeprefix("smtp://").split(":")
        yield server


@pytest.fixture
def notice(make_run: Callable[..., Run]) -> Notice:
    run = make_run()
    SignIn.objects.filter(run=run).update(device_status=SignIn.DeviceStatus.NEW)
    return notices.claim_notice(SignIn.objects.get(run=run), message_id="<1@testserver>")


def fail(notice: Notice, error: type[Exception] = notices.MailServerAway) -> None:
    with pytest.raises(error):
        mailing.send(notice)


def open_it(mail: MailServer, notice: Notice) -> None:
    mail.become(Mood.DOWN)
    for _ in range(OPENS_AFTER):
        fail(notice)


def test_a_server_that_is_away_is_not_asked_any_more(mail: MailServer, notice: Notice) -> None:
    open_it(mail, notice)
    mail.become(Mood.WELL)

    fail(notice, Open)

    assert mail.accepted == []


def test_one_that_puts_a_mail_off_is_there(mail: MailServer, notice: Notice) -> None:
    mail.become(Mood.REFUSING)

    for _ in range(OPENS_AFTER + 1):
        fail(notice, notices.MailPutOff)


def test_one_that_is_silent_beyond_the_time_limit_counts_as_away(
    notice: Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_silent(notice: Notice) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(notices, "send_notice", be_silent)
    for _ in range(OPENS_AFTER):
        fail(notice, SoftTimeLimitExceeded)

    fail(notice, Open)


@pytest.mark.parametrize("error", [notices.MailNotMade, notices.MailRefused])
def test_a_mail_that_is_itself_at_fault_leaves_it_to_another_to_ask(
    mail: MailServer, notice: Notice, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def be_at_fault(notice: Notice) -> None:
        raise error

    open_it(mail, notice)
    mail.become(Mood.WELL)
    Breaker.objects.update(probe_at=timezone.now())
    breakers.forget()
    with monkeypatch.context() as patched:
        patched.setattr(notices, "send_notice", be_at_fault)
        fail(notice, error)

    breakers.forget()
    mailing.send(notice)


def test_when_its_time_has_come_one_mail_asks_whether_it_is_back(mail: MailServer, notice: Notice) -> None:
    open_it(mail, notice)
    mail.become(Mood.WELL)
    Breaker.objects.update(probe_at=timezone.now())
    breakers.forget()

    mailing.send(notice)
    fail(notice, Open)
    mailing.note_sent()
    mailing.send(notice)

    assert len(mail.accepted) == 2
    assert Breaker.objects.get().opened_at is None
