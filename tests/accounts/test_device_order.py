"""Workers decide sign-ins in any order, more than once, and at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import Device, SignIn, User
from tests.accounts.browser import (
    CHROME_ON_LINUX,
    COOKIE,
    ELSEWHERE,
    FIREFOX_ON_LINUX,
    FIRST_DEVICE,
    HOME,
    NO_MATCH,
    Browser,
    decide,
    found,
    later,
)


def test_a_cookie_is_known_though_its_issuer_was_not_decided_yet(alice: User) -> None:
    browser = Browser()
    issuer, bearer = browser.sign_in(alice), browser.sign_in(alice)

    assert found(decide(bearer)) == COOKIE
    issuer.refresh_from_db()
    assert found(issuer) == FIRST_DEVICE
    assert issuer.device == decide(bearer).device


def test_the_first_device_is_the_one_that_was_first_whichever_is_decided_first(alice: User) -> None:
    owner = Browser().sign_in(alice)
    stranger = Browser(CHROME_ON_LINUX, ELSEWHERE).sign_in(alice)

    assert found(decide(stranger)) == NO_MATCH
    assert found(decide(owner)) == FIRST_DEVICE


def test_a_sign_in_that_is_decided_late_does_not_move_its_device_back(alice: User) -> None:
    browser = Browser()
    device = decide(browser.sign_in(alice)).device
    assert device is not None
    with later(hours=-1):
        browser.ip = ELSEWHERE
        late = browser.sign_in(alice)
    assert decide(late).device == device

    device.refresh_from_db()
    assert (device.network, device.last_seen_at > late.created_at) == ("203.0.113.0/24", True)


def test_fifteen_hundred_undecided_sign_ins_are_decided_with_the_last_of_them(alice: User) -> None:
    start = timezone.now() - timedelta(hours=1)
    SignIn.objects.bulk_create(
        SignIn(
            user=alice,
            created_at=start + timedelta(seconds=n),
            ip_address=HOME,
            user_agent=FIREFOX_ON_LINUX,
            presented_token=f"token-{n - 1}" if n else "",
            issued_token=f"token-{n}",
        )
        for n in range(1500)
    )
    statements = 0

    def count(execute: Callable[..., Any], *statement: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*statement)

    with connection.execute_wrapper(count):
        last = decide(SignIn.objects.latest("pk"))

    assert found(last) == COOKIE
    assert Device.objects.count() == 1
    assert not SignIn.objects.filter(device_status="").exists()
    assert statements < 6 * 1500


def test_deciding_again_changes_nothing(alice: User) -> None:
    sign_in = decide(Browser().sign_in(alice))
    before = SignIn.objects.filter(pk=sign_in.pk).values().get()
    with later(days=40):
        decide(sign_in)

    assert SignIn.objects.filter(pk=sign_in.pk).values().get() == before
    assert Device.objects.count() == 1


def test_the_database_holds_a_sign_in_to_one_device_of_its_own(alice: User) -> None:
    sign_in = decide(Browser().sign_in(alice))
    now = timezone.now()

    with pytest.raises(IntegrityError), transaction.atomic():
        Device.objects.create(user=alice, first_sign_in=sign_in, first_seen_at=now, last_seen_at=now)


@pytest.mark.django_db(transaction=True)
def test_two_decisions_at_once_make_one_first_device(alice: User) -> None:
    sign_ins = [Browser().sign_in(alice), Browser(CHROME_ON_LINUX, ELSEWHERE).sign_in(alice)]
    together = threading.Barrier(4)

    def worker(sign_in: SignIn) -> tuple[str, str]:
        together.wait(timeout=10)
        try:
            return found(decide(sign_in))
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=4) as pool:
        results = list(pool.map(worker, [*sign_ins, *sign_ins]))

    assert results == [FIRST_DEVICE, NO_MATCH, FIRST_DEVICE, NO_MATCH]
    assert Device.objects.count() == 2
