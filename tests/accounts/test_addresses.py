"""Who has confirmed an address owns it, whoever else has signed up with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from allauth.account.models import EmailAddress
from django.core import mail

from accounts.models import User
from tests.accounts.browser import LOGIN, Browser, later, signed_in
from tests.conftest import PASSWORD

ADDRESSES = "/accounts/email/"
WORK = "alice.work@example.com"
CHANGED = "Your primary e-mail address is changed."
TAKEN = f"{WORK} cannot become your primary address: it belongs to another account."


def sign_up(name: str, address: str) -> Browser:
    browser = Browser()
    form = {"email": address, "username": name, "password1": PASSWORD, "password2": PASSWORD}
    assert browser.post("/accounts/signup/", form).headers["Location"] == "/accounts/confirm-email/"
    return browser


@pytest.fixture
def mallory(db: None) -> Iterator[Browser]:
    """Who has signed up with an address that is not theirs, an hour ago."""
    browser = sign_up("mallory", WORK)
    with later(hours=1):  # a link to an address is mailed once in three minutes
        yield browser


def confirm(address: str) -> None:
    """Press the button behind the link in the last mail, which is to ``address``."""
    message = mail.outbox[-1]
    link = re.search(r"http://testserver(/accounts/confirm-email/\S+/)", str(message.body))
    assert link and message.to == [address]
    assert Browser().post(link[1], {}).status_code == 302
    assert EmailAddress.objects.filter(email=address, verified=True).exists()


def add(browser: Browser, address: str) -> None:
    assert browser.post(ADDRESSES, {"action_add": "", "email": address}).status_code == 302


def press(browser: Browser, button: str, address: str) -> str:
    """What the page says afterwards."""
    assert browser.post(ADDRESSES, {f"action_{button}": "", "email": address}).status_code == 302
    return browser.get(ADDRESSES).content.decode()


def where_notices_go(user: User) -> tuple[str, list[str]]:
    """And which addresses the page shows as primary."""
    user.refresh_from_db()
    return user.email, [row.email for row in EmailAddress.objects.filter(user=user, primary=True)]


def test_an_address_that_another_signed_up_with_and_never_confirmed_becomes_primary(
    mallory: Browser, alice: User
) -> None:
    browser = signed_in(alice)
    add(browser, WORK)
    confirm(WORK)

    assert CHANGED in press(browser, "primary", WORK)

    assert where_notices_go(alice) == (WORK, [WORK])
    # Nobody could ever have signed in with the other account, nor can now.
    assert not User.objects.filter(username="mallory").exists()
    assert mallory.get("/accounts/confirm-email/").status_code == 200
    assert "is not correct" in mallory.post(LOGIN, {"login": "mallory", "password": PASSWORD}).content.decode()


def has_signed_in(user: User) -> None:
    user.last_login = user.date_joined


def is_staff(user: User) -> None:
    user.is_staff = True


def has_confirmed_another(user: User) -> None:
    EmailAddress.objects.create(user=user, email="mallory@example.com", verified=True)


def was_added_by_an_operator(user: User) -> None:
    EmailAddress.objects.filter(user=user).delete()


@pytest.mark.parametrize("used", [has_signed_in, is_staff, has_confirmed_another, was_added_by_an_operator])
def test_an_account_that_is_more_than_a_sign_up_keeps_its_address_and_the_other_is_told(
    mallory: Browser, alice: User, used: Callable[[User], None]
) -> None:
    other = User.objects.get(username="mallory")
    used(other)
    other.save()
    browser = signed_in(alice)
    add(browser, WORK)
    confirm(WORK)

    assert TAKEN in press(browser, "primary", WORK)

    assert where_notices_go(alice) == ("alice@example.com", ["alice@example.com"])
    other.refresh_from_db()
    assert other.email == WORK


def test_who_has_not_confirmed_an_address_takes_it_from_nobody_and_learns_nothing(
    mallory: Browser, alice: User
) -> None:
    browser = signed_in(alice)
    add(browser, WORK)
    add(browser, "nobody@example.com")

    taken, free = (press(browser, "primary", address) for address in (WORK, "nobody@example.com"))

    assert "Your primary e-mail address must be confirmed." in taken
    assert "Your primary e-mail address must be confirmed." in free
    assert User.objects.filter(username="mallory").exists()
    assert where_notices_go(alice) == ("alice@example.com", ["alice@example.com"])


def test_who_has_to_give_the_password_first_takes_nothing_yet(mallory: Browser, alice: User) -> None:
    browser = signed_in(alice)
    add(browser, WORK)
    confirm(WORK)

    with later(hours=1):
        answer = browser.post(ADDRESSES, {"action_primary": "", "email": WORK})

    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert User.objects.filter(username="mallory").exists()


def test_an_address_that_notices_go_to_is_not_removed(alice: User, bob: User) -> None:
    for person in (alice, bob):
        assert "cannot be removed" in press(signed_in(person), "remove", person.email)
        assert where_notices_go(person) == (f"{person.username}@example.com", [f"{person.username}@example.com"])


def test_an_address_that_cannot_become_the_only_one_is_not_confirmed_by_halves(mallory: Browser, alice: User) -> None:
    EmailAddress.objects.filter(user=alice).update(primary=False)
    browser = signed_in(alice)
    add(browser, WORK)
    link = re.search(r"http://testserver(/accounts/confirm-email/\S+/)", str(mail.outbox[-1].body))
    assert link

    assert browser.post(link[1], {}).status_code == 302

    assert f"{WORK} cannot be confirmed" in browser.get(ADDRESSES).content.decode()
    assert not EmailAddress.objects.filter(email=WORK, verified=True).exists()
    assert where_notices_go(alice) == ("alice@example.com", [])
