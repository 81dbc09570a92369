"""The cookie by which a browser is known again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core import signing
from django.db.models import CharField, TextField
from pytest_django import Settings

from accounts import device_cookies
from accounts.models import Device, SignIn, User
from tests.accounts.browser import COOKIE, LOGIN, NO_MATCH, Browser, decide, found


@pytest.mark.parametrize("secure", [False, True])
def test_scripts_and_other_sites_do_not_get_it_and_the_open_net_neither(
    alice: User, settings: Settings, secure: bool
) -> None:
    settings.DEVICE_COOKIE_SECURE = secure
    browser = Browser()
    browser.sign_in(alice)

    morsel = browser.client.cookies[device_cookies.cookie_name(alice)]
    assert morsel["httponly"] is True
    assert morsel["samesite"] == "Lax"
    assert bool(morsel["secure"]) == secure
    assert morsel["max-age"] == 400 * 24 * 3600
    assert (morsel["path"], morsel["domain"]) == ("/", "")


def test_its_id_has_128_bits_and_its_name_says_nothing_of_the_person(alice: User) -> None:
    browser = Browser()
    browser.sign_in(alice)
    device_id = browser.cookie_of(alice).rpartition(":")[0]

    assert len(signing.b64_decode(device_id.encode())) == 16
    name = device_cookies.cookie_name(alice)
    assert not any(told in name for told in (alice.username, alice.email, str(alice.uuid), alice.uuid.hex))


def test_it_is_new_with_every_sign_in_and_stays_as_it_is_between(alice: User) -> None:
    browser = Browser()
    browser.sign_in(alice)
    first = browser.cookie_of(alice)

    answer = browser.get("/security/")
    assert not [name for name in answer.cookies if name.startswith("device_")]
    answer = browser.post("/accounts/logout/", {})
    assert not [name for name in answer.cookies if name.startswith("device_")]
    assert browser.cookie_of(alice) == first

    browser.sign_in(alice)
    assert browser.cookie_of(alice) not in {"", first}


def test_a_sign_in_that_failed_gives_none(alice: User) -> None:
    browser = Browser()
    browser.post(LOGIN, {"login": "alice", "password": "wrong"})

    assert browser.cookie_of(alice) == ""


def test_people_who_share_a_browser_have_one_each(alice: User, bob: User) -> None:
    browser = Browser()
    of_alice = decide(browser.sign_in(alice))
    of_bob = decide(browser.sign_in(bob))

    assert browser.cookie_of(alice) and browser.cookie_of(bob)
    assert of_alice.device != of_bob.device
    assert found(decide(browser.sign_in(alice))) == found(decide(browser.sign_in(bob))) == COOKIE


def forged(value: str) -> str:
    return f"AAAAAAAAAAAAAAAAAAAAAA:{value.rpartition(':')[2]}"


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(forged, id="another id under the same signature"),
        pytest.param(lambda value: value[:-1], id="truncated"),
        pytest.param(lambda value: value.rpartition(":")[0], id="without a signature"),
        pytest.param(lambda value: value.swapcase(), id="in another case"),
        pytest.param(lambda value: value + "x" * 10_240, id="10 kB"),
        pytest.param(lambda value: "ü" + value, id="not ASCII"),
        pytest.param(lambda value: "\xff" + value, id="not even UTF-8"),
        pytest.param(lambda value: "a\x00b:c", id="NUL"),
        pytest.param(lambda value: ":", id="nothing, signed by nothing"),
        pytest.param(lambda value: "", id="empty"),
    ],
)
def test_one_that_is_not_whole_is_none(alice: User, spoil: Callable[[str], str]) -> None:
    browser = Browser(user_agent="")
    decide(browser.sign_in(alice))
    browser.hold(alice, spoil(browser.cookie_of(alice)))
    sign_in = browser.sign_in(alice)

    assert sign_in.presented_token == ""
    assert found(decide(sign_in)) == NO_MATCH


def test_one_signed_for_another_person_is_none(alice: User, bob: User) -> None:
    browser = Browser()
    browser.sign_in(alice)
    browser.hold(bob, browser.cookie_of(alice))

    assert browser.sign_in(bob).presented_token == ""


def test_one_signed_with_another_secret_is_none(alice: User, settings: Settings) -> None:
    browser = Browser()
    browser.sign_in(alice)
    kept = browser.cookie_of(alice)
    settings.SECRET_KEY = "another-secret-key-that-is-as-long-as-the-one-before-it-was"
    browser.hold(alice, kept)

    assert browser.sign_in(alice).presented_token == ""


def test_the_database_never_holds_the_id(alice: User) -> None:
    browser = Browser()
    browser.sign_in(alice)
    given = browser.cookie_of(alice)
    decide(browser.sign_in(alice))

    secrets = {part for value in (given, browser.cookie_of(alice)) for part in (value, value.partition(":")[0])}
    written = [
        str(value)
        for model in (SignIn, Device)
        for row in model.objects.values_list(
            *(f.name for f in model._meta.concrete_fields if isinstance(f, CharField | TextField))
        )
        for value in row
    ]
    assert written
    assert not [(secret, text) for secret in secrets for text in written if secret in text]
