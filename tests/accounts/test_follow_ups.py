"""Whose sign-in is of high risk is told in any case, and asked again after a day; once, and not where they answered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import cast

import pytest
import time_machine
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts import answers, follow_ups, notices
from accounts.models import Notice, SignIn, User
from tests.accounts.browser import CHROME_ON_LINUX, ELSEWHERE, Browser, decide
from tests.waiting import somebody_waits_for_a_lock, wait_for

FIRST = "<1f0c.notify_user@testserver>"
SECOND = "<1f0c.notify_user.follow_up@testserver>"
State = Notice.State


@pytest.fixture
def known(alice: User) -> SignIn:
    """From the first device of alice, which is worth no notice by itself."""
    return decide(Browser().sign_in(alice))


@pytest.fixture
def sign_in(alice: User, known: SignIn) -> SignIn:
    """From a second device of alice."""
    return decide(Browser(CHROME_ON_LINUX, ELSEWHERE).sign_in(alice))


@pytest.fixture
def notice(sign_in: SignIn) -> Notice:
    """Sent, and to be followed up by now."""
    notice = notices.claim_notice(sign_in, FIRST)
    notices.send_notice(notice)
    notices.mark_sent(notice)
    Notice.objects.update(follow_up_at=timezone.now())
    return notice


def last_mail() -> EmailMultiAlternatives:
    return cast(EmailMultiAlternatives, mail.outbox[-1])


def test_a_notice_that_was_sent_is_followed_up_after_a_day(sign_in: SignIn) -> None:
    notices.mark_sent(notices.claim_notice(sign_in, FIRST))
    with time_machine.travel(timezone.now(), tick=False):
        follow_ups.ask_about(sign_in, "<other@testserver>")
        notice = Notice.objects.get()

        assert (notice.message_id, notice.state) == (FIRST, State.SENT)
        assert notice.follow_up_at == timezone.now() + timedelta(hours=24)
        assert follow_ups.due_before(timezone.now() + timedelta(hours=23), 10) == []
        assert follow_ups.due_before(timezone.now() + timedelta(hours=25), 10) == [notice]


def test_who_was_not_told_because_the_device_is_known_is_told_then(known: SignIn) -> None:
    follow_ups.ask_about(known, FIRST)
    follow_ups.ask_about(known, FIRST)

    assert Notice.objects.get().state == State.HANDED_OVER
    assert [notice.state for notice in notices.deliver_due_notices()] == [State.HANDED_OVER]
    letter = last_mail()
    assert letter.subject == "This sign-in looks wrong: Firefox on Linux"
    assert "and it does not look like you." in letter.body
    assert "not seen before" not in letter.body
    assert "/not-mine/" in letter.body and "/not-mine/" in str(letter.alternatives[0][0])
    assert letter.message()["Message-ID"] == FIRST


def test_who_has_answered_by_then_is_not_asked_again(sign_in: SignIn) -> None:
    notices.claim_notice(sign_in, FIRST)
    answers.answer(sign_in, SignIn.Answer.MINE)

    follow_ups.ask_about(sign_in, FIRST)

    assert Notice.objects.get().follow_up_at is None


def test_the_second_mail_says_that_nobody_answered_and_goes_with_the_first(notice: Notice) -> None:
    second = follow_ups.claim(notice.pk)
    assert second is not None
    assert notices.deliver(second)

    letter = last_mail()
    assert letter.to == ["alice@example.com"]
    assert letter.subject == "We have not heard from you: Chrome on Linux"
    assert "we have not heard from you. Please look at it now." in letter.body
    assert ELSEWHERE in letter.body
    assert "/mine/" in letter.body and "/not-mine/" in letter.body
    headers = letter.message()
    assert (headers["Message-ID"], headers["In-Reply-To"], headers["References"]) == (SECOND, FIRST, FIRST)
    second.refresh_from_db()
    assert (second.state, second.user) == (State.SENT, notice.user)


def test_it_is_followed_up_once(notice: Notice) -> None:
    assert follow_ups.claim(notice.pk) is not None
    assert follow_ups.claim(notice.pk) is None
    assert follow_ups.due_before(timezone.now() + timedelta(days=9), 10) == []
    assert Notice.objects.filter(follow_up_of=notice).count() == 1


def test_the_database_holds_that_a_notice_has_one_follow_up(notice: Notice) -> None:
    follow_ups.claim(notice.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        Notice.objects.create(follow_up_of=notice, message_id="<another@testserver>")
    with pytest.raises(IntegrityError), transaction.atomic():
        Notice.objects.create(message_id="<of nothing@testserver>")


@pytest.mark.parametrize("said", list(SignIn.Answer))
def test_what_was_answered_meanwhile_is_not_followed_up(notice: Notice, said: SignIn.Answer) -> None:
    answers.answer(notice.sign_in, said)
    assert follow_ups.claim(notice.pk) is None

    # Also where the verdict came at the same moment as the answer.
    Notice.objects.update(follow_up_at=timezone.now())
    assert follow_ups.claim(notice.pk) is None
    assert Notice.objects.count() == 1


def test_a_notice_of_low_risk_or_that_is_gone_is_not_followed_up(sign_in: SignIn) -> None:
    assert follow_ups.claim(notices.claim_notice(sign_in, FIRST).pk) is None
    assert follow_ups.claim(-1) is None


def test_a_second_mail_whose_sender_was_killed_goes_out_as_the_same_mail(notice: Notice) -> None:
    second = follow_ups.claim(notice.pk)
    assert second is not None
    assert notices._claim_attempt(second)
    notices.send_notice(second)  # and here it was killed

    with time_machine.travel(timezone.now() + notices.FIRST_DELAY):
        assert notices.deliver_due_notices() == [second]
    assert [letter.message()["Message-ID"] for letter in mail.outbox] == [FIRST, SECOND, SECOND]


def test_a_second_mail_that_the_mail_server_does_not_take_is_tried_for_a_day(
    notice: Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(EmailMultiAlternatives, "send", away)
    second = follow_ups.claim(notice.pk)
    assert second is not None
    with pytest.raises(notices.MailServerAway):
        notices.deliver(second)
    with time_machine.travel(timezone.now() + timedelta(hours=23)):
        assert notices.deliver_due_notices() == []
        second.refresh_from_db()
        assert second.state == State.HANDED_OVER
    with time_machine.travel(timezone.now() + timedelta(hours=26)):
        notices.deliver_due_notices()
    second.refresh_from_db()
    assert second.state == State.GIVEN_UP


def test_who_was_not_told_because_the_notice_was_given_up_is_told_then(sign_in: SignIn) -> None:
    notices.give_up(notices.claim_notice(sign_in, FIRST), "an operator had the run go on without it")

    follow_ups.ask_about(sign_in, FIRST)

    assert [notice.message_id for notice in notices.deliver_due_notices()] == [FIRST]
    assert last_mail().subject == "New sign-in to your account: Chrome on Linux"


@pytest.mark.skipif(not connection.features.has_select_for_update, reason="a writer locks all there is")
@pytest.mark.django_db(transaction=True)
def test_of_two_that_follow_it_up_at_once_one_does(transactional_db: None, notice: Notice) -> None:
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert follow_ups.claim(notice.pk) is not None
            other = pool.submit(claim_and_close, notice.pk)
            wait_for(somebody_waits_for_a_lock, "the other waits")
        assert other.result(10) is None


def claim_and_close(notice_id: int) -> Notice | None:
    """In a thread, which has a connection of its own."""
    try:
        with transaction.atomic():
            return follow_ups.claim(notice_id)
    finally:
        connection.close()
