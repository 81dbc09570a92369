"""How a sign-in's device is recognised: by its cookie, by likeness, or not."""

from __future__ import annotations

import pytest

from accounts import notices
from accounts.models import SignIn, User
from tests.accounts.browser import (
    CHROME_ON_LINUX,
    COOKIE,
    CURL,
    ELSEWHERE,
    ELSEWHERE_IPV6,
    FIREFOX_ON_LINUX,
    FIREFOX_ON_WINDOWS,
    FIRST_DEVICE,
    HOME,
    HOME_IPV6,
    NEWER_FIREFOX_ON_LINUX,
    NEXT_DOOR,
    NEXT_DOOR_IPV6,
    NO_MATCH,
    OS_CHANGED,
    SAME_NETWORK,
    TOKEN_REPLAYED,
    Browser,
    decide,
    found,
    later,
)


def copy_of(browser: Browser, person: User, *, user_agent: str = FIREFOX_ON_LINUX, ip: str = ELSEWHERE) -> Browser:
    """Another machine, onto which the device cookie of ``person`` was copied."""
    thief = Browser(user_agent, ip)
    thief.hold(person, browser.cookie_of(person))
    return thief


# --- The cookie ---------------------------------------------------------------------------------------------


def test_the_first_device_of_an_account_is_new_and_nobody_is_told(alice: User) -> None:
    sign_in = decide(Browser().sign_in(alice))

    assert found(sign_in) == FIRST_DEVICE
    assert not notices.is_worth_a_notice(sign_in)
    assert sign_in.device is not None and sign_in.device.first_sign_in == sign_in
    assert str(sign_in.device) == sign_in.device_name == "Firefox on Linux"


def test_a_browser_is_known_by_its_cookie(alice: User) -> None:
    browser = Browser()
    first = decide(browser.sign_in(alice))
    second = decide(browser.sign_in(alice))

    assert found(second) == COOKIE
    assert second.device == first.device
    assert not notices.is_worth_a_notice(second)


@pytest.mark.parametrize(
    ("user_agent", "ip"),
    [
        pytest.param(NEWER_FIREFOX_ON_LINUX, HOME, id="a newer version of the browser"),
        pytest.param(CHROME_ON_LINUX, HOME, id="it says that it is another browser"),
        pytest.param(FIREFOX_ON_LINUX, ELSEWHERE, id="another network"),
        pytest.param(FIREFOX_ON_LINUX, HOME_IPV6, id="another kind of network"),
        pytest.param(CURL, HOME, id="it no longer tells its system"),
        pytest.param("", HOME, id="it no longer tells anything"),
    ],
)
def test_what_a_known_browser_may_change(alice: User, user_agent: str, ip: str) -> None:
    browser = Browser()
    first = decide(browser.sign_in(alice))
    browser.user_agent, browser.ip = user_agent, ip
    second = decide(browser.sign_in(alice))

    assert found(second) == COOKIE
    assert second.device == first.device


def test_a_device_that_did_not_tell_its_system_may_tell_it_later(alice: User) -> None:
    browser = Browser(CURL)
    first = decide(browser.sign_in(alice))
    browser.user_agent = FIREFOX_ON_LINUX
    second = decide(browser.sign_in(alice))

    assert (found(second), second.device) == (COOKIE, first.device)


def test_a_known_cookie_on_another_operating_system_is_a_device_of_its_own(alice: User) -> None:
    browser = Browser()
    first = decide(browser.sign_in(alice))
    browser.user_agent = FIREFOX_ON_WINDOWS
    second = decide(browser.sign_in(alice))

    assert found(second) == OS_CHANGED
    assert second.device != first.device
    assert second.device_name == "Firefox on Windows"
    assert notices.is_worth_a_notice(second)


def test_a_cookie_that_was_used_up_is_a_sign_of_theft(alice: User) -> None:
    browser = Browser()
    first = decide(browser.sign_in(alice))
    thief = copy_of(browser, alice)
    decide(browser.sign_in(alice))
    with later(minutes=2):
        stolen = decide(thief.sign_in(alice))

    assert found(stolen) == TOKEN_REPLAYED
    assert stolen.device != first.device
    assert notices.is_worth_a_notice(stolen)


def test_a_thief_who_is_faster_than_the_owner_shows_when_the_owner_comes(alice: User) -> None:
    browser = Browser()
    first = decide(browser.sign_in(alice))
    thief = copy_of(browser, alice)
    stolen = decide(thief.sign_in(alice))
    assert (found(stolen), stolen.device) == (COOKIE, first.device)

    with later(minutes=2):
        assert found(decide(browser.sign_in(alice))) == TOKEN_REPLAYED


def test_the_same_cookie_twice_within_a_minute_is_one_browser_with_two_tabs(alice: User) -> None:
    browser = Browser()
    first = decide(browser.sign_in(alice))
    second_tab = copy_of(browser, alice, ip=HOME)
    one = browser.sign_in(alice)
    with later(seconds=55):
        other = second_tab.sign_in(alice)

    assert one.presented_token == other.presented_token != ""
    assert found(decide(other)) == found(decide(one)) == COOKIE
    assert SignIn.objects.filter(device=first.device).count() == 3


def test_a_cookie_issued_after_a_replay_belongs_to_the_new_device(alice: User) -> None:
    browser = Browser()
    decide(browser.sign_in(alice))
    thief = copy_of(browser, alice)
    decide(browser.sign_in(alice))
    with later(minutes=2):
        stolen = decide(thief.sign_in(alice))
        again = decide(thief.sign_in(alice))

    assert (found(again), again.device) == (COOKIE, stolen.device)


# --- No cookie ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param((FIREFOX_ON_LINUX, HOME), (FIREFOX_ON_LINUX, HOME), SAME_NETWORK, id="the same address"),
        pytest.param((FIREFOX_ON_LINUX, HOME), (NEWER_FIREFOX_ON_LINUX, NEXT_DOOR), SAME_NETWORK, id="the same /24"),
        pytest.param(
            (FIREFOX_ON_LINUX, HOME_IPV6), (FIREFOX_ON_LINUX, NEXT_DOOR_IPV6), SAME_NETWORK, id="the same /64"
        ),
        pytest.param(
            (FIREFOX_ON_LINUX, HOME), (FIREFOX_ON_LINUX, f"::ffff:{NEXT_DOOR}"), SAME_NETWORK, id="IPv4 in IPv6"
        ),
        pytest.param((FIREFOX_ON_LINUX, HOME), (FIREFOX_ON_LINUX, ELSEWHERE), NO_MATCH, id="another /24"),
        pytest.param((FIREFOX_ON_LINUX, HOME_IPV6), (FIREFOX_ON_LINUX, ELSEWHERE_IPV6), NO_MATCH, id="another /64"),
        pytest.param((FIREFOX_ON_LINUX, HOME), (CHROME_ON_LINUX, HOME), NO_MATCH, id="another browser"),
        pytest.param((FIREFOX_ON_LINUX, HOME), (FIREFOX_ON_WINDOWS, HOME), NO_MATCH, id="another system"),
        pytest.param((CURL, HOME), (CURL, HOME), NO_MATCH, id="a browser that does not tell its system"),
        pytest.param(("", HOME), ("", HOME), NO_MATCH, id="nothing is told"),
        pytest.param(("nonsense", HOME), ("nonsense", HOME), NO_MATCH, id="nothing that is understood"),
        pytest.param((FIREFOX_ON_LINUX, ""), (FIREFOX_ON_LINUX, ""), NO_MATCH, id="no address"),
    ],
)
def test_without_a_cookie_browser_system_and_network_together_make_it_probable(
    alice: User, before: tuple[str, str], now: tuple[str, str], expected: tuple[str, str]
) -> None:
    first = decide(Browser(*before).sign_in(alice))
    second = decide(Browser(*now).sign_in(alice))

    assert found(second) == expected
    assert (second.device == first.device) == (expected == SAME_NETWORK)
    assert notices.is_worth_a_notice(second) == (expected == NO_MATCH)


@pytest.mark.parametrize(("days", "expected"), [(29.9, SAME_NETWORK), (31, NO_MATCH)])
def test_a_likeness_counts_for_thirty_days(alice: User, days: float, expected: tuple[str, str]) -> None:
    decide(Browser().sign_in(alice))
    with later(days=days):
        assert found(decide(Browser().sign_in(alice))) == expected


def test_of_several_alike_the_one_seen_last_is_meant(alice: User) -> None:
    older = decide(Browser().sign_in(alice))
    with later(days=1):
        # From elsewhere it is a device of its own, which then comes home.
        newer_browser = Browser(ip=ELSEWHERE)
        decide(newer_browser.sign_in(alice))
        newer_browser.ip = HOME
        newer = decide(newer_browser.sign_in(alice))
        third = decide(Browser().sign_in(alice))

    assert newer.device != older.device
    assert (found(third), third.device) == (SAME_NETWORK, newer.device)


def test_a_device_is_looked_for_where_it_was_seen_last(alice: User) -> None:
    browser = Browser()
    decide(browser.sign_in(alice))
    browser.ip = ELSEWHERE
    decide(browser.sign_in(alice))

    assert found(decide(Browser(ip=ELSEWHERE).sign_in(alice))) == SAME_NETWORK
    assert found(decide(Browser(ip=HOME).sign_in(alice))) == NO_MATCH


def test_another_persons_device_never_matches(alice: User, bob: User) -> None:
    browser = Browser()
    of_alice = decide(browser.sign_in(alice))
    browser.hold(bob, browser.cookie_of(alice))
    of_bob = decide(browser.sign_in(bob))

    assert found(of_bob) == FIRST_DEVICE
    assert of_bob.device != of_alice.device
    assert found(decide(browser.sign_in(alice))) == COOKIE


def test_not_even_with_its_very_token(alice: User, bob: User) -> None:
    of_alice = decide(Browser().sign_in(alice))
    of_bob = Browser(ip=ELSEWHERE).sign_in(bob)
    SignIn.objects.filter(pk=of_bob.pk).update(presented_token=of_alice.issued_token)

    assert found(decide(of_bob)) == FIRST_DEVICE


def test_a_browser_name_of_any_length_does_not_keep_a_sign_in_from_being_decided(alice: User) -> None:
    sign_in = decide(Browser("x" * 100 + "/1.0 CFNetwork/1 Darwin/1").sign_in(alice))

    assert found(sign_in) == FIRST_DEVICE
    assert sign_in.device_name == "a browser on iOS"
