"""From nobody to a person who signs in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import password_validation
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.db.models.signals import post_save

from accounts.models import SignIn, User
from tests.accounts.browser import FIRST_DEVICE, LOGIN, Browser, decide, found
from tests.conftest import PASSWORD

SIGN_UP = "/accounts/signup/"


def form(**fields: str) -> dict[str, str]:
    filled = {"email": "carol@example.com", "username": "carol", "password1": PASSWORD, "password2": PASSWORD}
    return filled | fields


def refusals(browser: Browser, **fields: str) -> str:
    answer = browser.post(SIGN_UP, form(**fields))
    assert answer.status_code == 200
    return answer.content.decode()


def test_sign_up_confirm_the_address_sign_in(db: None) -> None:
    browser = Browser()
    answer = browser.post(SIGN_UP, form())
    assert answer.headers["Location"] == "/accounts/confirm-email/"
    carol = User.objects.get(username="carol")

    # Before the address is confirmed, a sign-in leads to the page that says so.
    early = Browser().post(LOGIN, {"login": "carol", "password": PASSWORD})
    assert early.headers["Location"] == "/accounts/confirm-email/"
    assert not SignIn.objects.exists()

    message = mail.outbox[0]
    assert message.to == ["carol@example.com"]
    link = re.search(r"http://testserver(/accounts/confirm-email/\S+/)", str(message.body))
    assert link
    assert Browser().get(link[1]).status_code == 200, "looking at the page, as mail scanners do, confirms nothing"
    assert not EmailAddress.objects.get(user=carol).verified
    Browser().post(link[1], {})
    assert EmailAddress.objects.get(user=carol).verified

    sign_in = decide(Browser().sign_in(carol))
    assert found(sign_in) == FIRST_DEVICE


@pytest.mark.parametrize("name", ["bob@example.com", "a@b", "bob smith", "bob/../x", "<b>bob</b>", "bob\nsmith"])
def test_a_user_name_is_never_an_address_nor_markup(db: None, name: str) -> None:
    assert "A user name has letters, digits and . + - _ only." in refusals(Browser(), username=name)
    assert not User.objects.exists()


def test_a_user_name_is_taken_in_any_case(alice: User) -> None:
    assert "Someone has signed up with this user name already." in refusals(Browser(), username="ALICE")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        pytest.param("\N{KELVIN SIGN}evin", "Kevin", id="a sign that is lowered to a letter"),
        pytest.param("\N{FULLWIDTH LATIN SMALL LETTER K}evin", "kevin", id="full width"),
        pytest.param("\N{LATIN SMALL LIGATURE FI}ona", "fiona", id="a ligature"),
    ],
)
def test_a_user_name_is_in_plain_letters(make_user: Callable[..., User], name: str, plain: str) -> None:
    make_user("kevin")

    assert f"Write this user name in plain letters: {plain}" in refusals(Browser(), username=name)
    assert User.objects.count() == 1


@pytest.mark.parametrize(("name", "other"), [("STRA\N{LATIN CAPITAL LETTER SHARP S}E", "straße"), ("straße", "STRAẞE")])
def test_what_the_database_takes_for_the_same_name_is_taken(
    make_user: Callable[..., User], name: str, other: str
) -> None:
    make_user(name)
    page = Browser().post(SIGN_UP, form(username=other))

    if connection.vendor == "postgresql":  # SQLite knows no case beyond ASCII
        assert "Someone has signed up with this user name already." in page.content.decode()
    assert page.status_code in (200, 302)


class SomebodyIsFaster:
    """Somebody else's sign-up, between the moment in which the form looks at a name or an address, and its saving."""

    def __init__(self) -> None:
        self.form: dict[str, str] | None = None

    def of(self, **fields: str) -> None:
        self.form = form(**fields)

    def validate(self, password: str, user: User | None = None) -> None:
        if theirs := self.form:
            self.form = None
            assert Browser().post(SIGN_UP, theirs).status_code == 302

    def get_help_text(self) -> str:
        return ""


@pytest.fixture
def somebody_is_faster(db: None, monkeypatch: pytest.MonkeyPatch) -> SomebodyIsFaster:
    validator = SomebodyIsFaster()
    monkeypatch.setattr(password_validation, "get_default_password_validators", lambda: [validator])
    return validator


def test_a_name_that_is_taken_while_the_form_is_looked_at_is_taken(somebody_is_faster: SomebodyIsFaster) -> None:
    somebody_is_faster.of(email="first@example.com", username="CAROL")

    assert "Someone has signed up with this user name already." in refusals(Browser())
    assert [user.email for user in User.objects.all()] == ["first@example.com"]
    assert [message.to for message in mail.outbox] == [["first@example.com"]]


def test_an_address_that_is_taken_meanwhile_gets_the_answer_for_one_that_is_taken(
    somebody_is_faster: SomebodyIsFaster,
) -> None:
    somebody_is_faster.of(username="first")

    answer = Browser().post(SIGN_UP, form())

    assert answer.headers["Location"] == "/accounts/confirm-email/", "as for an address that is free"
    assert [user.username for user in User.objects.all()] == ["first"]
    assert EmailAddress.objects.count() == 1


def test_a_sign_up_is_there_with_its_address_or_not_at_all(db: None) -> None:
    def fail(**kwargs: Any) -> None:
        raise RuntimeError("killed in between")

    post_save.connect(fail, sender=User)
    try:
        with pytest.raises(RuntimeError, match="killed in between"):
            Browser().post(SIGN_UP, form())
    finally:
        post_save.disconnect(fail, sender=User)

    assert not User.objects.exists()


def test_an_address_that_is_taken_in_any_case_makes_no_account_and_tells_only_its_owner(alice: User) -> None:
    answer = Browser().post(SIGN_UP, form(email="ALICE@Example.com"))

    assert answer.headers["Location"] == "/accounts/confirm-email/", "as for an address that is free"
    assert User.objects.count() == 1
    assert [message.to for message in mail.outbox] == [["alice@example.com"]]
    assert "already" in str(mail.outbox[0].body)


@pytest.mark.parametrize("password", ["short-1", "1234567890123", "password1234", "carol@example"])
def test_a_weak_password_is_refused(db: None, password: str) -> None:
    refusals(Browser(), password1=password, password2=password)
    assert not User.objects.exists()


@pytest.mark.parametrize("fields", [{"username": "Alice"}, {"email": "ALICE@EXAMPLE.COM"}])
def test_the_database_holds_names_and_addresses_unique_in_any_case(alice: User, fields: dict[str, str]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(**{"username": "other", "email": "other@example.com"} | fields)
