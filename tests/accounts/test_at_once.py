"""What two do to one account at the same moment, on PostgreSQL, where neither waits for all that the other does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts import answers, devices, follow_ups, locking, notices, sessions
from accounts.models import Notice, SignIn, User
from tests.accounts.browser import CHROME_ON_LINUX, ELSEWHERE, Browser, decide, later
from tests.waiting import somebody_waits_for_a_lock, wait_for

Elsewhere = Callable[[Callable[[], Any]], Future[Any]]
Answer = SignIn.Answer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """Does something in another thread, by a connection and in a transaction of its own."""
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite all that write wait for each other")

    def do_connected(do: Callable[[], Any]) -> Any:
        try:
            with transaction.atomic():
                return do()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        yield lambda do: pool.submit(do_connected, do)


def test_it_was_me_gives_no_trust_back_that_is_lost_at_that_moment(
    elsewhere: Elsewhere, alice: User, owner: Browser
) -> None:
    first = decide(Browser(CHROME_ON_LINUX, ELSEWHERE).sign_in(alice))
    answers.answer(first, Answer.NOT_MINE)
    assert first.device
    with later(minutes=1):
        again = SignIn.objects.create(user=alice, device=first.device, device_status="new", issued_token="again")

        with transaction.atomic():
            devices.untrust_device(first.device)
            answered = elsewhere(lambda: answers.answer(again, Answer.MINE))
            wait_for(somebody_waits_for_a_lock, "the answer waits for the device")
        assert answered.result(10)

    first.device.refresh_from_db()
    assert first.device.untrusted_at is not None


@pytest.mark.parametrize("of", ["the sign-in", "its device", "others", "everywhere", "everybody"])
def test_a_session_that_gets_another_key_at_that_moment_is_ended_all_the_same(
    elsewhere: Elsewhere, alice: User, of: str
) -> None:
    browser = Browser()
    sign_in = decide(browser.sign_in(alice))
    ending: dict[str, Callable[[], Any]] = {
        "the sign-in": lambda: sessions.end_session(sign_in),
        "its device": lambda: sessions.end_sessions_of_device(sign_in.device),  # type: ignore[arg-type]  # it has one
        "others": lambda: sessions.end_other_sessions(alice.pk, kept="another"),
        "everywhere": lambda: sessions.end_sessions(alice.pk),
        "everybody": lambda: sessions.end_sessions_of([alice.pk]),
    }

    with transaction.atomic():
        locking.lock_person(alice.pk)  # as a change of the password does
        ended = elsewhere(ending[of])
        wait_for(somebody_waits_for_a_lock, "who ends it waits for the person")
        session = browser.client.session
        session.cycle_key()
        SignIn.objects.filter(pk=sign_in.pk).update(session_key=session.session_key)
    ended.result(10)

    assert sessions.open_sessions(alice.pk) == {}
    assert not browser.is_signed_in()


def test_a_notice_that_is_answered_while_it_is_decided_to_follow_it_up_is_not_due(
    elsewhere: Elsewhere, alice: User, owner: Browser
) -> None:
    sign_in = decide(Browser(CHROME_ON_LINUX, ELSEWHERE).sign_in(alice))
    notices.claim_notice(sign_in, "<1@testserver>")

    with transaction.atomic():
        answers.answer(sign_in, Answer.NOT_MINE)
        asked = elsewhere(lambda: follow_ups.ask_about(sign_in, "<1@testserver>"))
        wait_for(somebody_waits_for_a_lock, "who asks waits for the notice")
    asked.result(10)

    assert Notice.objects.get().follow_up_at is not None, "it was decided before the answer"
    assert follow_ups.due_before(timezone.now() + timedelta(days=2), 10) == []
