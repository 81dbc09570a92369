"""A change of a password is a fact: how, when, from where, with what, and which session stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from accounts.models import PasswordChange, SignIn, User
from accounts.signals import password_change_recorded
from tests.accounts.browser import CHROME_ON_LINUX, ELSEWHERE, FIREFOX_ON_LINUX, HOME, Browser, decide, signed_in
from tests.conftest import PASSWORD

NEW_PASSWORD = "another-horse-battery"
How = PasswordChange.How


def change_password(browser: Browser, old: str = PASSWORD) -> None:
    form = {"oldpassword": old, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert browser.post("/accounts/password/change/", form).status_code in {200, 302}


def reset_password(browser: Browser, person: User) -> None:
    browser.post("/accounts/password/reset/", {"email": person.email})
    link = re.search(r"http://testserver(/accounts/password/reset/key/\S+)", str(mail.outbox.pop().body))
    assert link
    form = browser.get(link[1]).headers["Location"]
    assert browser.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}).status_code == 302


def set_by_operator(operator: Browser, person: User, **fields: str) -> None:
    form = {"usable_password": "true", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD} | fields
    assert operator.post(f"/admin/accounts/user/{person.pk}/password/", form).status_code in {200, 302}


def the_change(person: User) -> PasswordChange:
    return PasswordChange.objects.get(user=person)


def test_who_changes_it_keeps_this_session_under_its_new_key(alice: User) -> None:
    browser = Browser()
    before = browser.sign_in(alice).session_key

    change_password(browser)

    change = the_change(alice)
    assert (change.how, change.ip_address, change.user_agent) == (How.CHANGED, HOME, FIREFOX_ON_LINUX)
    assert change.session_key == browser.client.session.session_key == SignIn.objects.get().session_key
    assert change.session_key != before
    assert browser.is_signed_in()


def test_a_wrong_old_password_changes_nothing(alice: User) -> None:
    change_password(signed_in(alice), old="wrong")

    assert not PasswordChange.objects.exists()


def test_who_has_none_yet_sets_one(alice: User) -> None:
    browser = Browser()
    browser.sign_in(alice)
    alice.set_unusable_password()
    alice.save()
    browser.client.force_login(alice)

    answer = browser.post("/accounts/password/set/", {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert answer.status_code == 302
    assert the_change(alice).how == How.SET
    assert the_change(alice).session_key == browser.client.session.session_key


def test_a_reset_keeps_no_session_and_ends_the_trust_in_all_devices(alice: User) -> None:
    browser = Browser()
    decide(browser.sign_in(alice))

    reset_password(browser, alice)

    assert (the_change(alice).how, the_change(alice).session_key) == (How.RESET, "")
    assert [device.untrusted_at is not None for device in alice.devices.all()] == [True]
    assert not browser.is_signed_in()


@pytest.fixture
def operator(admin: User) -> Browser:
    browser = Browser(CHROME_ON_LINUX, ELSEWHERE)
    browser.sign_in(admin)
    return browser


@pytest.mark.parametrize(
    "fields", [{}, {"usable_password": "false", "unset-password": "1"}], ids=["a new one", "no password any more"]
)
def test_an_operator_changes_anothers_and_no_session_of_theirs_stays(
    operator: Browser, alice: User, fields: dict[str, str]
) -> None:
    decide(Browser().sign_in(alice))

    set_by_operator(operator, alice, **fields)

    change = the_change(alice)
    assert (change.how, change.ip_address, change.session_key) == (How.BY_OPERATOR, ELSEWHERE, "")
    assert [device.untrusted_at is not None for device in alice.devices.all()] == [True]


def test_the_operators_own_session_is_followed_though_the_password_is_anothers(
    operator: Browser, admin: User, alice: User
) -> None:
    set_by_operator(operator, alice)

    assert SignIn.objects.get(user=admin).session_key == operator.client.session.session_key


def test_an_operator_changes_their_own_there_and_stays(operator: Browser, admin: User) -> None:
    set_by_operator(operator, admin)

    assert the_change(admin).session_key == operator.client.session.session_key
    assert operator.is_signed_in()


@pytest.mark.parametrize("fields", [{"password2": "another"}, {"usable_password": "false"}], ids=["typo", "conflict"])
def test_what_the_admin_refuses_changes_nothing(operator: Browser, alice: User, fields: dict[str, str]) -> None:
    decide(Browser().sign_in(alice))

    set_by_operator(operator, alice, **fields)

    assert not PasswordChange.objects.exists()
    assert [device.untrusted_at for device in alice.devices.all()] == [None]


@pytest.mark.parametrize("person", ["0", "none", "1_0"])
def test_nobodys_password_is_not_there(operator: Browser, person: str) -> None:
    assert operator.post(f"/admin/accounts/user/{person}/password/", {}).status_code in {302, 404}
    assert not PasswordChange.objects.exists()


@contextmanager
def listening(listener: Callable[..., None]) -> Iterator[None]:
    password_change_recorded.connect(listener)
    try:
        yield
    finally:
        password_change_recorded.disconnect(listener)


def test_who_listens_is_told_in_the_transaction_that_writes_it(alice: User) -> None:
    heard = []

    def listen(change: PasswordChange, **kwargs: Any) -> None:
        heard.append((change.pk, connection.in_atomic_block))

    with listening(listen):
        change_password(signed_in(alice))

    assert heard == [(the_change(alice).pk, True)]


def test_the_change_itself_sends_no_mail(alice: User) -> None:
    browser = signed_in(alice)
    change_password(browser)
    reset_password(browser, alice)

    assert mail.outbox == []


def fail(**kwargs: Any) -> None:
    raise RuntimeError("killed here")


def change(person: User) -> None:
    change_password(signed_in(person))


def reset(person: User) -> None:
    reset_password(Browser(), person)


def set_first(person: User) -> None:
    person.set_unusable_password()
    person.save()
    browser = Browser()
    browser.client.force_login(person)
    browser.post("/accounts/password/set/", {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})


def set_there(person: User) -> None:
    operator = Browser()
    operator.sign_in(User.objects.get(username="admin"))
    set_by_operator(operator, person)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [change, reset, set_first, set_there])
def test_a_password_is_changed_with_its_record_or_not_at_all(
    alice: User, admin: User, act: Callable[[User], None]
) -> None:
    with listening(fail), pytest.raises(RuntimeError):
        act(alice)

    kept = User.objects.get(pk=alice.pk)
    assert not kept.check_password(NEW_PASSWORD)
    assert kept.check_password(PASSWORD) == (act is not set_first)
    assert not PasswordChange.objects.exists()
