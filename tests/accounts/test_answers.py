"""A person answers for a sign-in, and "it was not me" throws out whoever it was."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from accounts import answers, follow_ups, notices, verdicts
from accounts.answers import Answer
from accounts.models import Device, Notice, SecurityEvent, SignIn, User
from accounts.sign_ins import SESSION_KEY
from tests.accounts.browser import (
    CHROME_ON_LINUX,
    COOKIE,
    ELSEWHERE,
    FIREFOX_ON_WINDOWS,
    NEXT_DOOR,
    SAME_NETWORK,
    UNTRUSTED,
    Browser,
    decide,
    found,
    later,
    said_of,
)

Kind = SecurityEvent.Kind


@pytest.fixture
def sign_in(alice: User, owner: Browser, intruder: Browser) -> SignIn:
    """The intruder's."""
    return decide(intruder.sign_in(alice))


def kinds_of(sign_in: SignIn) -> set[str]:
    return set(SecurityEvent.objects.filter(sign_in=sign_in).values_list("kind", flat=True))


def test_not_mine_ends_the_session_and_the_trust_in_the_device_and_nothing_else(
    sign_in: SignIn, owner: Browser, intruder: Browser
) -> None:
    assert answers.answer(sign_in, Answer.NOT_MINE)

    assert (intruder.is_signed_in(), owner.is_signed_in()) == (False, True)
    assert [device.untrusted_at is None for device in Device.objects.order_by("pk")] == [True, False]
    assert said_of(sign_in) == "not_mine"
    assert sign_in.answered_at is not None


def test_not_mine_ends_every_session_of_that_device(alice: User, sign_in: SignIn, intruder: Browser) -> None:
    another = Browser(CHROME_ON_LINUX, ELSEWHERE)
    assert decide(another.sign_in(alice)).device_id == sign_in.device_id

    answers.answer(sign_in, Answer.NOT_MINE)

    assert not intruder.is_signed_in() and not another.is_signed_in()


def test_who_was_thrown_out_is_told_of_when_they_come_back(alice: User, sign_in: SignIn, intruder: Browser) -> None:
    answers.answer(sign_in, Answer.NOT_MINE)

    back = decide(intruder.sign_in(alice))

    assert found(back) == UNTRUSTED
    assert notices.is_worth_a_notice(back)


def test_who_was_thrown_out_is_told_of_at_each_sign_in(alice: User, sign_in: SignIn, intruder: Browser) -> None:
    answers.answer(sign_in, Answer.NOT_MINE)

    assert [found(decide(intruder.sign_in(alice))) for _ in range(3)] == [UNTRUSTED] * 3
    assert not Device.objects.filter(sign_ins=sign_in, untrusted_at=None).exists()


def test_who_was_thrown_out_cannot_vouch_however_often_they_come_back(alice: User, intruder: Browser) -> None:
    with later(days=-2):
        decide(Browser().sign_in(alice))
        answers.answer(decide(intruder.sign_in(alice)), Answer.NOT_MINE)
    for _ in range(2):
        back = decide(intruder.sign_in(alice))
    another = decide(Browser(FIREFOX_ON_WINDOWS, ELSEWHERE).sign_in(alice))

    assert not answers.may_vouch(another, by=own(intruder))
    assert not answers.may_vouch(back, by=decide(intruder.sign_in(alice)))


def test_mine_of_a_later_sign_in_gives_the_device_its_trust_back(
    alice: User, sign_in: SignIn, intruder: Browser
) -> None:
    answers.answer(sign_in, Answer.NOT_MINE)
    back = decide(intruder.sign_in(alice))

    answers.answer(back, Answer.MINE)

    assert found(decide(intruder.sign_in(alice))) == COOKIE


def test_mine_of_an_earlier_one_does_not(alice: User, sign_in: SignIn, intruder: Browser) -> None:
    answers.answer(decide(intruder.sign_in(alice)), Answer.NOT_MINE)
    answers.answer(sign_in, Answer.MINE)

    assert [found(decide(intruder.sign_in(alice))) for _ in range(2)] == [UNTRUSTED] * 2


def test_mine_gives_no_trust_back_that_was_lost_since_otherwise(
    alice: User, sign_in: SignIn, intruder: Browser
) -> None:
    answers.answer(sign_in, Answer.NOT_MINE)
    back = decide(intruder.sign_in(alice))
    deny = {"id": "a-1", "score": 75, "level": "high", "decision": "deny", "reasons": []}
    verdicts.act_on_assessment(back, deny)

    answers.answer(back, Answer.MINE)

    assert [found(decide(intruder.sign_in(alice))) for _ in range(2)] == [UNTRUSTED, COOKIE]


def test_not_mine_of_a_sign_in_that_no_worker_has_looked_at_yet_ends_its_trust_too(
    alice: User, owner: Browser, intruder: Browser
) -> None:
    undecided = intruder.sign_in(alice)

    answers.answer(undecided, Answer.NOT_MINE)

    assert not intruder.is_signed_in()
    assert found(decide(intruder.sign_in(alice))) == UNTRUSTED


def test_mine_is_kept_and_takes_nothing_of_the_evidence_back(sign_in: SignIn, intruder: Browser) -> None:
    deny = {"id": "a-1", "score": 75, "level": "high", "decision": "deny", "reasons": []}
    verdicts.act_on_assessment(sign_in, deny)
    assert answers.answer(sign_in, Answer.MINE)

    assert said_of(sign_in) == "mine"
    assert kinds_of(sign_in) == {Kind.RISK_FLAGGED, Kind.SIGN_IN_ANSWERED}
    assert [device.untrusted_at is None for device in Device.objects.order_by("pk")] == [True, False]
    assert intruder.is_signed_in()


@pytest.mark.parametrize(
    ("first", "then", "stands"),
    [
        (Answer.MINE, Answer.MINE, "mine"),
        (Answer.MINE, Answer.NOT_MINE, "not_mine"),
        (Answer.NOT_MINE, Answer.NOT_MINE, "not_mine"),
        (Answer.NOT_MINE, Answer.MINE, "not_mine"),
    ],
)
def test_what_stands_after_two_answers(sign_in: SignIn, first: Answer, then: Answer, stands: str) -> None:
    answers.answer(sign_in, first)

    assert answers.answer(sign_in, then) == (first == Answer.MINE and then == Answer.NOT_MINE)
    assert said_of(sign_in) == stands


def test_an_answer_that_was_changed_is_in_the_security_log_in_both_forms(sign_in: SignIn) -> None:
    answers.answer(sign_in, Answer.MINE, by="session", address="192.0.2.1")
    answers.answer(sign_in, Answer.NOT_MINE, by="link", address="192.0.2.2")

    answered = SecurityEvent.objects.get(sign_in=sign_in, kind=Kind.SIGN_IN_ANSWERED)
    ended = SecurityEvent.objects.get(sign_in=sign_in, kind=Kind.SESSIONS_ENDED)
    assert answered.details == {"answer": "mine", "by": "session", "address": "192.0.2.1"}
    assert ended.details == {"because": "not_mine", "by": "link", "address": "192.0.2.2"}


@pytest.mark.parametrize("said", list(Answer))
def test_what_was_answered_is_not_followed_up(sign_in: SignIn, said: Answer) -> None:
    notice = notices.claim_notice(sign_in, "<1@testserver>")
    Notice.objects.update(follow_up_at=timezone.now())

    answers.answer(sign_in, said)

    notice.refresh_from_db()
    assert notice.follow_up_at is None


def test_a_sign_in_that_was_forgotten_is_not_answered_for(sign_in: SignIn) -> None:
    SignIn.objects.update(emptied_at=timezone.now())

    assert not answers.answer(sign_in, Answer.NOT_MINE)


@pytest.mark.django_db(transaction=True)
def test_of_answers_at_the_same_time_one_counts(sign_in: SignIn) -> None:
    ready = threading.Barrier(4)

    def say(said: Answer) -> bool:
        ready.wait(timeout=10)
        try:
            return answers.answer(SignIn.objects.get(pk=sign_in.pk), said)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=4) as pool:
        assert sorted(pool.map(say, [Answer.NOT_MINE] * 4)) == [False, False, False, True]
    assert SecurityEvent.objects.filter(sign_in=sign_in, kind=Kind.SIGN_IN_ANSWERED).count() == 1


# --- Who may say "it was me" --------------------------------------------------------------------------------


def own(browser: Browser) -> SignIn:
    """The sign-in with which the session of this browser began."""
    return SignIn.objects.select_related("device").get(pk=browser.client.session[SESSION_KEY])


def test_a_device_that_was_there_the_day_before_may_vouch_for_another(
    alice: User, owner: Browser, sign_in: SignIn
) -> None:
    assert answers.may_vouch(sign_in, by=own(owner))
    assert answers.may_vouch(sign_in, by=decide(owner.sign_in(alice)))


def test_one_that_has_come_since_cannot_though_its_cookie_is_known(alice: User, owner: Browser) -> None:
    young = Browser(FIREFOX_ON_WINDOWS, ELSEWHERE)
    with later(hours=-23):
        decide(young.sign_in(alice))
    again = decide(young.sign_in(alice))
    sign_in = decide(Browser(CHROME_ON_LINUX, ELSEWHERE).sign_in(alice))

    assert found(again) == COOKIE
    assert not answers.may_vouch(sign_in, by=again)


def test_who_is_in_the_same_network_without_the_cookie_cannot_vouch(alice: User, owner: Browser) -> None:
    neighbour = decide(Browser(ip=NEXT_DOOR).sign_in(alice))
    sign_in = decide(Browser(CHROME_ON_LINUX, ELSEWHERE).sign_in(alice))

    assert (found(neighbour), neighbour.device) == (SAME_NETWORK, own(owner).device)
    assert not answers.may_vouch(sign_in, by=neighbour)


def test_a_session_that_is_asked_about_cannot_vouch_until_it_is_answered_for(
    alice: User, owner: Browser, sign_in: SignIn
) -> None:
    by = decide(owner.sign_in(alice))
    follow_ups.ask_about(by, "<1@testserver>")
    assert not answers.may_vouch(sign_in, by=own(owner))

    answers.answer(by, Answer.MINE)
    assert answers.may_vouch(sign_in, by=own(owner))


def test_a_new_session_of_an_old_device_may_vouch_once_it_is_answered_for(
    alice: User, owner: Browser, sign_in: SignIn
) -> None:
    Device.objects.filter(sign_ins=own(owner)).update(untrusted_at=timezone.now())
    by = decide(owner.sign_in(alice))
    assert found(by) == UNTRUSTED
    assert not answers.may_vouch(sign_in, by=own(owner))

    answers.answer(by, Answer.MINE)
    assert answers.may_vouch(sign_in, by=own(owner))


def test_whoever_signed_in_cannot_vouch_for_themselves(alice: User, sign_in: SignIn, intruder: Browser) -> None:
    again = decide(intruder.sign_in(alice))
    from_another_browser = decide(Browser(FIREFOX_ON_WINDOWS, ELSEWHERE).sign_in(alice))

    assert not any(answers.may_vouch(sign_in, by=by) for by in (sign_in, again, from_another_browser, None))


def test_a_device_that_has_lost_its_trust_cannot_vouch(alice: User, owner: Browser, sign_in: SignIn) -> None:
    by = SignIn.objects.exclude(pk=sign_in.pk).get()
    answers.answer(by, Answer.NOT_MINE)

    assert not answers.may_vouch(sign_in, by=SignIn.objects.get(pk=by.pk))


def test_for_a_sign_in_whose_device_is_not_known_yet_nobody_vouches(
    alice: User, owner: Browser, intruder: Browser
) -> None:
    assert not answers.may_vouch(intruder.sign_in(alice), by=SignIn.objects.earliest("pk"))
