"""Accounts in the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Permission
from django.db import transaction
from django.test import Client

import accounts.admin
from accounts import retention
from accounts.models import SignIn, User
from tests.accounts.browser import LOGIN, Browser, decide
from tests.conftest import PASSWORD


@pytest.fixture
def operator(admin: User) -> Browser:
    browser = Browser()
    browser.sign_in(admin)
    return browser


def test_people_are_added_with_their_addresses(operator: Browser) -> None:
    for name in ("carol", "dave"):
        data = {"username": name, "email": f"{name}@example.com", "usable_password": "true"}
        answer = operator.post("/admin/accounts/user/add/", data | {"password1": PASSWORD, "password2": PASSWORD})
        assert answer.status_code == 302, answer.content.decode()

    assert set(User.objects.values_list("email", flat=True)) >= {"carol@example.com", "dave@example.com"}
    answer = Browser().post(LOGIN, {"login": "carol@example.com", "password": PASSWORD})
    assert answer.headers["Location"] == "/accounts/confirm-email/"


def test_someone_without_an_address_is_not_added(operator: Browser) -> None:
    data = {"username": "carol", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    answer = operator.post("/admin/accounts/user/add/", data)

    assert "This field is required." in answer.content.decode()


@pytest.mark.parametrize("model", ["user", "device", "signin", "passwordchange", "notice", "securityevent", "verdict"])
def test_every_list_opens(operator: Browser, model: str, alice: User) -> None:
    decide(Browser("<b>Firefox</b>").sign_in(alice))

    assert operator.get(f"/admin/accounts/{model}/").status_code == 200


def test_a_sign_in_can_be_looked_at_and_not_changed_and_shows_no_session(operator: Browser, alice: User) -> None:
    sign_in = decide(Browser().sign_in(alice))
    path = f"/admin/accounts/signin/{sign_in.pk}/change/"
    page = operator.get(path).content.decode()

    assert "Firefox" in page
    for secret in (sign_in.session_key, sign_in.issued_token):
        assert secret not in page
    assert operator.post(path, {"ip_address": "192.0.2.99"}).status_code == 403
    assert operator.post(path.replace("change", "delete"), {"post": "yes"}).status_code == 403
    assert SignIn.objects.filter(pk=sign_in.pk).values("ip_address").get() == {"ip_address": sign_in.ip_address}


def test_another_persons_new_password_ends_the_trust_in_their_devices(operator: Browser, alice: User) -> None:
    decide(Browser().sign_in(alice))

    path = f"/admin/accounts/user/{alice.pk}/password/"
    answer = operator.post(path, {"usable_password": "true", "password1": "a-new-horse", "password2": "a-new-horse"})

    assert answer.status_code == 302
    assert [device.untrusted_at is not None for device in alice.devices.all()] == [True]


def test_a_page_that_was_open_for_long_takes_nothing_back(
    operator: Browser, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = UserChangeForm.clean

    def and_then(form: UserChangeForm[User]) -> Any:
        """The owner's new password comes while the operator's form is looked at."""
        User.objects.filter(pk=alice.pk).update(password="the owner's new one", email="new@example.com")
        return clean(form)

    monkeypatch.setattr(UserChangeForm, "clean", and_then)
    fields = {"username": alice.username, "email": alice.email, "first_name": "Alice", "is_active": "on"}
    fields |= {f"date_joined_{n}": part for n, part in enumerate(str(alice.date_joined)[:19].split())}
    answer = operator.post(f"/admin/accounts/user/{alice.pk}/change/", fields)

    assert answer.status_code == 302, answer.content.decode()
    alice.refresh_from_db()
    assert (alice.first_name, alice.email, alice.password) == ("Alice", "new@example.com", "the owner's new one")


def test_the_history_of_an_account_tells_what_operators_did_to_it(operator: Browser, alice: User) -> None:
    path = f"/admin/accounts/user/{alice.pk}/"
    operator.post(
        f"{path}password/", {"usable_password": "true", "password1": "a-new-horse", "password2": "a-new-horse"}
    )

    page = operator.get(f"{path}history/").content.decode()

    assert "Changed password." in page
    assert "<td>admin</td>" in page


def test_who_deletes_an_account_is_told_how_many_rows_go_with_it_and_not_each(operator: Browser, alice: User) -> None:
    sign_ins = [decide(Browser().sign_in(alice)) for _ in range(2)]

    page = operator.get(f"/admin/accounts/user/{alice.pk}/delete/").content.decode()

    assert "<li>Sign ins: 2</li>" in page
    assert "<li>Users: 1</li>" in page
    assert not any(str(sign_in) in page for sign_in in sign_ins)


def test_evidence_goes_with_an_account_and_what_is_none_by_a_permission_of_its_own(
    make_user: Callable[..., User], alice: User
) -> None:
    decide(Browser().sign_in(alice))
    carol = make_user("carol", is_staff=True)
    carol.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "delete_user"]))
    browser = Browser()
    browser.sign_in(carol)
    path = f"/admin/accounts/user/{alice.pk}/delete/"

    page = browser.get(path).content.decode()

    assert "<li>email address</li>" in page
    assert "<li>sign in</li>" not in page
    assert browser.post(path, {"post": "yes"}).status_code == 403
    carol.user_permissions.add(Permission.objects.get(codename="delete_emailaddress"))
    assert browser.post(path, {"post": "yes"}).status_code == 302


def test_an_account_with_many_sign_ins_is_deleted_once_they_are_anonymised(
    operator: Browser, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts.admin, "MOST_SIGN_INS", 1)
    sign_ins = [decide(Browser().sign_in(alice)).pk for _ in range(2)]
    path = f"/admin/accounts/user/{alice.pk}/delete/"

    for answer in (operator.get(path), operator.post(path, {"post": "yes"})):
        assert "more than 1 sign-ins" in answer.content.decode()
        assert f'href="/admin/accounts/user/?q={quote_plus(alice.email)}"' in answer.content.decode()
    assert User.objects.filter(pk=alice.pk).exists()

    with transaction.atomic():
        retention.forget(sign_ins)
    assert operator.post(path, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=alice.pk).exists()


def test_an_account_is_deleted_with_its_evidence(operator: Browser, alice: User) -> None:
    decide(Browser().sign_in(alice))

    answer = operator.post(f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 302
    assert not User.objects.filter(pk=alice.pk).exists()
    assert not SignIn.objects.filter(user=alice.pk).exists()


def test_who_may_only_view_addresses_confirms_none(client: Client, alice: User) -> None:
    alice.is_staff = True
    alice.save()
    alice.user_permissions.add(Permission.objects.get(codename="view_emailaddress"))
    claimed = EmailAddress.objects.create(user=alice, email="the-boss@example.com", verified=False)
    client.force_login(alice)
    path = "/admin/account/emailaddress/"
    assert client.get(path).status_code == 200
    client.post(path, {"action": "make_verified", "_selected_action": [claimed.pk]})
    client.post(f"{path}{claimed.pk}/change/", {"user": alice.pk, "email": claimed.email, "verified": "on"})
    claimed.refresh_from_db()
    assert not claimed.verified
