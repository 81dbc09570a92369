"""What is known of a sign-in goes when it is old enough; a device that may come back stays known."""

from __future__ import annotations

import math

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from pytest_django import Settings

from accounts import notices, security_log
from accounts.models import Device, Notice, SecurityEvent, SignIn, User, Verdict
from tests.accounts.browser import (
    CHROME_ON_LINUX,
    COOKIE,
    ELSEWHERE,
    FIREFOX_ON_WINDOWS,
    LOGIN,
    NO_MATCH,
    OS_CHANGED,
    SAME_NETWORK,
    TOKEN_REPLAYED,
    Browser,
    decide,
    found,
    later,
)
from workflows import retention
from workflows.models import Run

# Days: how long sign-ins are kept here, and after which no browser brings a cookie back any more.
KEPT = 100
COOKIES_END = 401


@pytest.fixture(autouse=True)
def _kept(settings: Settings) -> None:
    settings.RETENTION_SIGN_INS_DAYS = settings.RETENTION_FAILED_SIGN_INS_DAYS = KEPT


def sign_in(browser: Browser, user: User) -> SignIn:
    """A sign-in whose workflow has ended."""
    decided = decide(browser.sign_in(user))
    Run.objects.filter(sign_in=decided).update(state=Run.State.SUCCEEDED)
    return decided


def prune(*, days: float = 0) -> None:
    """As it is done after so many days."""
    with later(days=days):
        retention.delete_due(seconds=math.inf)


def is_there(sign_in: SignIn) -> bool:
    return SignIn.objects.filter(pk=sign_in.pk).exists()


def test_all_that_is_known_of_a_sign_in_goes(alice: User) -> None:
    old = sign_in(Browser(), alice)
    security_log.record_event(old, SecurityEvent.Kind.SIGNED_IN, {})
    notices.claim_notice(old, "<old@testserver>")
    Verdict.objects.create(sign_in=old, score=0)

    prune(days=KEPT + 1)

    assert not any(model.objects.exists() for model in (Run, Notice, SecurityEvent, Verdict))
    old.refresh_from_db()
    assert (old.ip_address, old.user_agent, old.session_key, old.country, old.place) == (None, "", "", "", "")


def test_what_is_not_old_enough_stays_as_it_is(alice: User) -> None:
    young = sign_in(Browser(), alice)

    prune(days=KEPT - 1)

    assert SignIn.objects.filter(pk=young.pk).values().get() == {
        **{field.attname: getattr(young, field.attname) for field in SignIn._meta.concrete_fields}
    }
    assert Run.objects.filter(sign_in=young).exists()


def test_a_device_is_known_as_long_as_its_cookie_lives(alice: User) -> None:
    browser = Browser()
    sign_in(browser, alice)

    prune(days=COOKIES_END - 1)

    with later(days=COOKIES_END - 1):
        assert found(sign_in(browser, alice)) == COOKIE


def test_each_of_two_browsers_that_are_one_device_is_known(alice: User) -> None:
    browser, private_window = Browser(), Browser()
    sign_in(browser, alice)
    assert found(sign_in(private_window, alice)) == SAME_NETWORK

    prune(days=KEPT + 1)

    with later(days=KEPT + 1):
        browser.ip = private_window.ip = ELSEWHERE
        assert found(sign_in(browser, alice)) == COOKIE
        assert found(sign_in(private_window, alice)) == COOKIE


def test_the_row_goes_when_the_cookie_has_run_out(alice: User) -> None:
    old = sign_in(Browser(), alice)
    prune(days=KEPT + 1)
    assert is_there(old)

    prune(days=COOKIES_END + 1)

    assert not is_there(old)


def test_the_row_goes_at_once_where_sign_ins_are_kept_longer_than_cookies(alice: User, settings: Settings) -> None:
    settings.RETENTION_SIGN_INS_DAYS = COOKIES_END + 100
    old = sign_in(Browser(), alice)

    prune(days=COOKIES_END + 99)
    assert is_there(old)
    prune(days=COOKIES_END + 101)
    assert not is_there(old)


def test_the_row_goes_with_the_sign_in_that_used_its_cookie_up(alice: User) -> None:
    browser = Browser()
    old = sign_in(browser, alice)
    with later(days=10):
        next_one = sign_in(browser, alice)

    prune(days=KEPT + 1)
    assert is_there(old)
    prune(days=KEPT + 11)

    assert (is_there(old), is_there(next_one)) == (False, True)


def test_a_cookie_that_was_used_up_is_told_as_long_as_its_use_is_known(alice: User) -> None:
    browser, thief = Browser(), Browser()
    sign_in(browser, alice)
    thief.hold(alice, browser.cookie_of(alice))
    with later(days=10):
        sign_in(browser, alice)

    prune(days=KEPT + 1)

    with later(days=KEPT + 1):
        assert found(sign_in(thief, alice)) == TOKEN_REPLAYED


def test_a_cookie_that_was_used_up_never_serves_again(alice: User) -> None:
    browser, thief = Browser(), Browser(ip=ELSEWHERE)
    sign_in(browser, alice)
    thief.hold(alice, browser.cookie_of(alice))
    # It is a device of its own from here on: nothing but the cookie leads to the first.
    browser.user_agent = FIREFOX_ON_WINDOWS
    with later(days=1):
        assert found(sign_in(browser, alice)) == OS_CHANGED
    with later(days=2):
        assert found(sign_in(browser, alice)) == COOKIE

    prune(days=KEPT + 3)

    with later(days=KEPT + 3):
        assert found(sign_in(thief, alice)) == NO_MATCH


def test_the_device_that_was_used_last_stays_so_that_the_next_one_is_told(alice: User) -> None:
    sign_in(Browser(), alice)

    prune(days=COOKIES_END + 1)

    assert not SignIn.objects.exists()
    with later(days=COOKIES_END + 1):
        assert found(sign_in(Browser(CHROME_ON_LINUX, ELSEWHERE), alice)) == NO_MATCH


def test_a_device_that_no_sign_in_leads_to_goes(alice: User, bob: User) -> None:
    abandoned = sign_in(Browser(), alice).device
    of_bob = sign_in(Browser(), bob).device
    with later(days=20):
        in_use = sign_in(Browser(CHROME_ON_LINUX, ELSEWHERE), alice).device

    prune(days=COOKIES_END + 1)

    assert set(Device.objects.all()) == {of_bob, in_use} != {abandoned}


def test_a_sign_in_that_waits_for_a_worker_finds_its_device_known(alice: User) -> None:
    browser = Browser()
    sign_in(browser, alice)
    with later(days=KEPT + 1):
        waiting = browser.sign_in(alice)

    prune(days=KEPT + 2)

    assert found(decide(waiting)) == COOKIE


def test_the_page_of_sign_ins_shows_those_that_something_is_known_of(alice: User) -> None:
    browser = Browser()
    old = sign_in(browser, alice)

    prune(days=KEPT + 1)

    with later(days=KEPT + 1):
        young = sign_in(browser, alice)
        page = browser.get(reverse("workflows:security")).content.decode()
    assert f"row-{Run.objects.get(sign_in=young).pk}" in page
    assert f"{old.created_at:%Y-%m-%d}" not in page


def test_failed_sign_ins_go_and_younger_ones_stay(alice: User) -> None:
    def fail() -> SecurityEvent:
        Browser().post(LOGIN, {"login": "alice", "password": "wrong"})
        return SecurityEvent.objects.latest("pk")

    fail()
    with later(days=2):
        young = fail()

    prune(days=KEPT + 1)

    assert list(SecurityEvent.objects.all()) == [young]


def test_sessions_that_have_run_out_go_and_nobody_is_signed_out(alice: User, bob: User) -> None:
    old, young = Browser(), Browser()
    sign_in(old, alice)
    with later(days=10):
        sign_in(young, bob)

    prune(days=15)

    assert Session.objects.count() == 1
    assert young.is_signed_in()


def test_a_session_ends_with_the_sign_in_that_began_it(alice: User, settings: Settings) -> None:
    """Otherwise nobody could end it: which sessions a person has, their sign-ins say."""
    settings.RETENTION_SIGN_INS_DAYS = 7
    old, young = Browser(), Browser()
    sign_in(old, alice)
    with later(days=5):
        sign_in(young, alice)

    with later(days=8):
        assert retention.count_due()["sessions.Session"] == 1
        assert retention.delete_due(seconds=math.inf)["sessions.Session"] == 1
        assert (old.is_signed_in(), young.is_signed_in()) == (False, True)


@pytest.mark.parametrize("days", [1, KEPT])
def test_nothing_of_a_sign_in_is_kept_for_the_sake_of_another_limit(alice: User, settings: Settings, days: int) -> None:
    settings.RETENTION_FAILED_SIGN_INS_DAYS = days
    event = security_log.record_event(sign_in(Browser(), alice), SecurityEvent.Kind.SIGNED_IN, {})

    prune(days=KEPT - 1)

    assert SecurityEvent.objects.filter(pk=event).exists()


def test_for_ever(alice: User, settings: Settings) -> None:
    settings.RETENTION_SIGN_INS_DAYS = settings.RETENTION_FAILED_SIGN_INS_DAYS = 0
    old = sign_in(Browser(), alice)
    Browser().post(LOGIN, {"login": "alice", "password": "wrong"})

    prune(days=100_000)

    assert is_there(old)
    assert SecurityEvent.objects.filter(sign_in=None).exists()
    assert Run.objects.filter(sign_in=old).exists()
