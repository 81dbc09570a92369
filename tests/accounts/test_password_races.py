"""What keeps an intruder out holds against a change of the password that they have sent just before."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.forms import ResetPasswordKeyForm
from django.core import mail
from django.db import transaction
from pytest_django import Settings

from accounts import answers, own_devices, sessions
from accounts.forms import PasswordChangeForm
from accounts.models import PasswordChange, SignIn, User
from accounts.verdicts import act_on_assessment
from tests.accounts.browser import Browser, decide, signed_in
from tests.accounts.test_device_trust import reset_password
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

THEIRS = "an-intruders-own-choice"
Meanwhile = Callable[[SignIn], Any]


def disown(sign_in: SignIn) -> None:
    assert answers.answer(sign_in, SignIn.Answer.NOT_MINE)


@transaction.atomic
def deny(sign_in: SignIn) -> None:
    said = {"id": "a", "score": 95, "level": "high", "decision": "deny", "reasons": []}
    act_on_assessment(sign_in, said)


def sign_out_everywhere_else(sign_in: SignIn) -> None:
    assert own_devices.sign_out_others(sign_in.user, kept="another", address=None)


def close(sign_in: SignIn) -> None:
    User.objects.filter(pk=sign_in.user_id).update(is_active=False, is_staff=False)


def reset(sign_in: SignIn) -> None:
    """By its owner, with the mail; the test's helper chooses the old password again, which has another hash."""
    reset_password(sign_in.user)


@pytest.fixture
def change_password(monkeypatch: pytest.MonkeyPatch) -> Callable[[Browser, SignIn, Meanwhile], Response]:
    """Sends the form; what happens meanwhile comes after the old password was found to be right."""

    def change(browser: Browser, sign_in: SignIn, meanwhile: Meanwhile) -> Response:
        with monkeypatch.context() as patch:
            is_right = PasswordChangeForm.clean_oldpassword

            def and_then(form: PasswordChangeForm) -> str:
                old: str = is_right(form)
                meanwhile(sign_in)
                return old

            patch.setattr(PasswordChangeForm, "clean_oldpassword", and_then)
            form = {"oldpassword": PASSWORD, "password1": THEIRS, "password2": THEIRS}
            return browser.post("/accounts/password/change/", form)

    return change


@pytest.mark.parametrize("meanwhile", [disown, deny, sign_out_everywhere_else, close, reset])
def test_the_password_stays_and_the_intruder_is_out(
    alice: User,
    settings: Settings,
    change_password: Callable[[Browser, SignIn, Meanwhile], Response],
    meanwhile: Meanwhile,
) -> None:
    settings.LOGINWATCH_ENFORCE = "enforce"
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    intruder = signed_in(alice)
    sign_in = decide(SignIn.objects.latest("pk"))

    response = change_password(intruder, sign_in, meanwhile)

    assert (response.status_code, response.headers["Location"]) == (302, "/accounts/login/")
    assert "Sign in again." in intruder.get("/accounts/login/").content.decode()
    assert not intruder.is_signed_in()
    assert not sessions.open_sessions(alice.pk)
    person = User.objects.get(pk=alice.pk)
    assert person.check_password(PASSWORD)
    assert (person.is_active, person.is_staff) == ((False, False) if meanwhile is close else (True, True))
    assert not PasswordChange.objects.filter(how=PasswordChange.How.CHANGED).exists()


def test_what_an_operator_changes_meanwhile_stays(
    alice: User, change_password: Callable[[Browser, SignIn, Meanwhile], Response]
) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    browser = signed_in(alice)

    def demote(sign_in: SignIn) -> None:
        User.objects.filter(pk=sign_in.user_id).update(is_staff=False)

    response = change_password(browser, SignIn.objects.latest("pk"), demote)

    assert response.status_code == 302
    person = User.objects.get(pk=alice.pk)
    assert (person.is_staff, person.check_password(THEIRS)) == (False, True)
    assert browser.is_signed_in()


def test_a_link_to_reset_it_serves_once_also_where_two_come_at_once(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()
    clean = ResetPasswordKeyForm.clean

    def and_then(form: ResetPasswordKeyForm) -> Any:
        monkeypatch.setattr(ResetPasswordKeyForm, "clean", clean)
        reset_password(alice)
        return clean(form)

    monkeypatch.setattr(ResetPasswordKeyForm, "clean", and_then)
    page = reset_by_a_link(browser, alice)

    assert page.status_code == 200
    assert "This link does not work" in page.content.decode()
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)
    assert PasswordChange.objects.filter(how=PasswordChange.How.RESET).count() == 1


def reset_by_a_link(browser: Browser, person: User) -> Response:
    browser.post("/accounts/password/reset/", {"email": person.email})
    link = re.search(r"http://testserver(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body))
    assert link
    return browser.post(browser.get(link[1]).headers["Location"], {"password1": THEIRS, "password2": THEIRS})
