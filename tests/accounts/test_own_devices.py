"""The page of a person's devices: what is signed in, and how it is signed out and forgotten."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import devices, own_devices, sessions
from accounts.models import Device, SecurityEvent, SignIn, User
from tests.accounts.browser import (
    CHROME_ON_LINUX,
    COOKIE,
    ELSEWHERE,
    FIREFOX_ON_WINDOWS,
    HOME,
    UNTRUSTED,
    Browser,
    decide,
    found,
    later,
)
from tests.markup import Page, words
from tests.pages.browsing import assert_well_made

Kind = SecurityEvent.Kind
PAGE = "/devices/"
BUTTONS = ("sign-out-device", "forget-device")
OTHERS = "/devices/sign-out-others/"


@pytest.fixture
def laptop(alice: User) -> Browser:
    return at_home(alice, Browser())


@pytest.fixture
def phone(alice: User, laptop: Browser) -> Browser:
    return at_home(alice, Browser(CHROME_ON_LINUX, ELSEWHERE))


def at_home(person: User, browser: Browser) -> Browser:
    decide(browser.sign_in(person))
    return browser


def device_of(browser: Browser) -> Device:
    return Device.objects.get(sign_ins__session_key=browser.client.session.session_key)


def page_of(browser: Browser, path: str = PAGE) -> Page:
    response = browser.get(path)
    assert response.status_code == 200
    return Page(response.content.decode())


def press(browser: Browser, button: str, device: Device) -> str:
    """Returns what the page says then."""
    response = browser.post(reverse(f"accounts:{button}", args=[device.pk]), {})
    assert (response.status_code, response.headers["Location"]) == (302, PAGE)
    return said_on(browser)


def said_on(browser: Browser) -> str:
    response = browser.client.get(PAGE, follow=True)
    page = Page(response.content.decode())
    return [words(e.text) for e in page.elements if e.tag == "li" and "alert" in e.attributes.get("class", "")][-1]


def cards(page: Page) -> list[str]:
    """What is said of each device that is signed in."""
    return [words(e.text) for e in page.elements if e.tag == "li" and e.attributes.get("class", "").startswith("card")]


def test_this_device_comes_first_and_the_others_after_it(laptop: Browser, phone: Browser, bob: User) -> None:
    at_home(bob, Browser(FIREFOX_ON_WINDOWS))

    page = page_of(laptop)

    assert_well_made(page)
    own, other = cards(page)
    assert own.startswith("Firefox on Linux this device trusted")
    assert HOME in own and "this session" in own
    assert other.startswith("Chrome on Linux trusted")
    assert ELSEWHERE in other and "this session" not in other
    assert reverse("accounts:answer", args=[SignIn.objects.get(device=device_of(phone)).pk]) in page.values("href")
    assert "Windows" not in page.text
    assert "There are no others." in page.text


def test_another_device_is_signed_out_and_keeps_its_trust(alice: User, laptop: Browser, phone: Browser) -> None:
    device = device_of(phone)

    assert press(laptop, "sign-out-device", device) == "Chrome on Linux is signed out."

    assert laptop.is_signed_in() and not phone.is_signed_in()
    page = page_of(laptop)
    assert len(cards(page)) == 1
    assert "Chrome on Linux trusted" in words(page.find("table", id="devices").text)
    event = SecurityEvent.objects.get(user=alice, kind=Kind.SESSIONS_ENDED)
    assert event.details == {"because": "asked by its person", "device": device.pk, "sessions": 1}
    assert event.ip_address == HOME
    assert found(decide(phone.sign_in(alice))) == COOKIE


def test_signed_out_twice_it_was_signed_out_already(laptop: Browser, phone: Browser) -> None:
    device = device_of(phone)
    press(laptop, "sign-out-device", device)

    assert press(laptop, "sign-out-device", device) == "Chrome on Linux was signed out already."
    assert SecurityEvent.objects.filter(kind=Kind.SESSIONS_ENDED).count() == 1


def test_all_sessions_of_a_device_end_at_once(alice: User, laptop: Browser, phone: Browser) -> None:
    device = device_of(phone)
    first = phone.client.cookies["sessionid"].value
    at_home(alice, phone)
    (card,) = (card for card in cards(page_of(laptop)) if "Chrome" in card)
    assert card.count("Signed in on") == 2

    press(laptop, "sign-out-device", device)

    assert not phone.is_signed_in()
    phone.client.cookies["sessionid"] = first
    assert not phone.is_signed_in()


def test_who_signs_out_the_own_device_is_asked_to_sign_in(laptop: Browser) -> None:
    assert press(laptop, "sign-out-device", device_of(laptop)) == "Firefox on Linux is signed out."

    assert not laptop.is_signed_in()
    assert laptop.get(PAGE).headers["Location"] == f"/accounts/login/?next={PAGE}"


def test_a_forgotten_device_is_signed_out_and_its_next_sign_in_is_told(
    alice: User, laptop: Browser, phone: Browser
) -> None:
    device = device_of(phone)

    said = press(laptop, "forget-device", device)

    assert said == "Chrome on Linux is signed out and forgotten. You will be told of its next sign-in."
    assert not phone.is_signed_in()
    row = words(page_of(laptop).find("table", id="devices").text)
    assert "Chrome on Linux not trusted" in row and "Forget" not in row
    event = SecurityEvent.objects.get(user=alice, kind=Kind.DEVICE_FORGOTTEN)
    assert (event.details["device"], event.details["sessions"]) == (device.pk, 1)
    with later(minutes=1):
        sign_in = decide(phone.sign_in(alice))
    assert found(sign_in) == UNTRUSTED
    assert sign_in.device == device


def test_a_disowned_device_that_is_forgotten_stays_disowned(laptop: Browser, phone: Browser) -> None:
    device = device_of(phone)
    devices.disown_device(device)
    assert "Chrome on Linux disowned" in page_of(laptop).text

    press(laptop, "forget-device", device)

    device.refresh_from_db()
    assert device.disowned_at is not None


def test_all_others_are_signed_out_those_too_that_no_worker_has_looked_at(
    alice: User, bob: User, laptop: Browser, phone: Browser
) -> None:
    undecided, stranger = Browser(FIREFOX_ON_WINDOWS), at_home(bob, Browser())
    undecided.sign_in(alice)
    assert any("Firefox on Windows" in card and "still being looked at" in card for card in cards(page_of(laptop)))

    assert laptop.post(OTHERS, {}).headers["Location"] == PAGE

    assert said_on(laptop) == "2 other sessions were ended."
    assert [browser.is_signed_in() for browser in (laptop, phone, undecided, stranger)] == [True, False, False, True]
    assert SecurityEvent.objects.get(user=alice, kind=Kind.SESSIONS_ENDED).details["sessions"] == 2
    laptop.post(OTHERS, {})
    assert said_on(laptop) == "There was no other session."


def test_of_anothers_device_nothing_is_known(bob: User, phone: Browser) -> None:
    device = device_of(phone)
    stranger = at_home(bob, Browser())

    for button in BUTTONS:
        assert stranger.post(reverse(f"accounts:{button}", args=[device.pk]), {}).status_code == 404
        assert stranger.post(reverse(f"accounts:{button}", args=[10**30]), {}).status_code == 404
    assert stranger.get(reverse("accounts:earlier-devices", args=[device.pk])).status_code == 404

    assert phone.is_signed_in()
    device.refresh_from_db()
    assert device.untrusted_at is None


def test_an_address_alone_changes_nothing(laptop: Browser, phone: Browser) -> None:
    addresses = [
        reverse(f"accounts:{name}", args=[device_of(phone).pk]) for name in ("sign-out-device", "forget-device")
    ]
    for address in [*addresses, OTHERS]:
        assert laptop.get(address).headers["Location"] == PAGE
        assert Client().post(address).headers["Location"] == f"/accounts/login/?next={address}"
    assert phone.is_signed_in()


def test_another_site_cannot_press_a_button(laptop: Browser, phone: Browser) -> None:
    hostile = Client(enforce_csrf_checks=True)
    hostile.cookies = laptop.client.cookies
    for name in BUTTONS:
        assert hostile.post(reverse(f"accounts:{name}", args=[device_of(phone).pk])).status_code == 403
    assert hostile.post(OTHERS).status_code == 403
    assert phone.is_signed_in()


def test_earlier_devices_are_a_page_away_and_none_is_left_out(alice: User, laptop: Browser) -> None:
    now = timezone.now()
    for number in range(45):
        # Of several that were seen at the same time none is left out.
        seen = now - timedelta(days=number // 10)
        Device.objects.create(user=alice, browser="Lynx", os=f"System-{number}.", first_seen_at=seen, last_seen_at=seen)
    address, systems = PAGE, []
    for number in range(3):
        page = page_of(laptop, address)
        assert_well_made(page)
        systems += re.findall(r">Lynx on (System-\d+\.)<", page.html)
        links = [link for link in page.values("href") if "/before/" in link]
        assert len(links) == (number < 2)
        address = links[0] if links else ""
    assert sorted(systems) == sorted(f"System-{number}." for number in range(45))
    assert (
        "Firefox on Linux" not in page_of(laptop, reverse("accounts:earlier-devices", args=[device_of(laptop).pk])).text
    )


def test_more_sessions_than_are_listed_are_told_of(
    alice: User, laptop: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_devices, "MOST_SESSIONS", 2)
    at_home(alice, Browser())
    assert "not listed" not in page_of(laptop).text
    at_home(alice, Browser())
    assert "1 older session is open that is not listed." in page_of(laptop).text
    at_home(alice, Browser())
    assert "2 older sessions are open that are not listed." in page_of(laptop).text


def test_two_sign_ins_of_one_session_are_one_session(alice: User, laptop: Browser) -> None:
    first = SignIn.objects.get(user=alice)
    SignIn.objects.create(user=alice, device=first.device, session_key=first.session_key, issued_token="x")
    (card,) = cards(page_of(laptop))
    assert card.count("Signed in on") == 1


def test_sessions_are_looked_for_a_few_at_a_time(
    laptop: Browser, phone: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "SOME", 1)
    assert len(cards(page_of(laptop))) == 2
    laptop.post(OTHERS, {})
    assert laptop.is_signed_in() and not phone.is_signed_in()


def test_a_session_that_has_run_out_is_not_open(laptop: Browser, phone: Browser) -> None:
    session = phone.client.session
    session.set_expiry(-1)
    session.save()
    assert len(cards(page_of(laptop))) == 1


def test_more_devices_cost_no_more_queries(
    alice: User, laptop: Browser, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(4):
        at_home(alice, Browser(CHROME_ON_LINUX, ELSEWHERE))
    # The session, the person, which sign-ins had a session, which are open, their devices, the others.
    with django_assert_max_num_queries(6):
        laptop.get(PAGE)
