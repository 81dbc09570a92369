"""Accounts in the admin."""

from __future__ import annotations

import pytest

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


def test_an_account_is_deleted_with_its_evidence(operator: Browser, alice: User) -> None:
    decide(Browser().sign_in(alice))

    answer = operator.post(f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 302
    assert not User.objects.filter(pk=alice.pk).exists()
    assert not SignIn.objects.filter(user=alice.pk).exists()
