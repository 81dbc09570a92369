"""Forms that send a mail, while the mail server is away: said so, nothing lost, and to be asked for again at once."""

from __future__ import annotations

import socket

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from pytest_django import Settings

from accounts.models import User
from tests.accounts.browser import Browser, signed_in
from tests.conftest import PASSWORD

NOT_SENT = "The mail could not be sent just now."
SIGN_UP = {"email": "carol@example.com", "username": "carol", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def mail_away(settings: Settings) -> None:
    """A mail server that refuses every connection."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", closed.getsockname()[1]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


def mail_is_back(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def test_who_signs_up_is_told_and_gets_the_mail_at_the_next_sign_in(
    db: None, mail_away: None, settings: Settings
) -> None:
    browser = Browser()

    answer = browser.post("/accounts/signup/", SIGN_UP)
    assert answer.status_code == 302
    page = browser.get(answer.headers["Location"]).content.decode()
    assert NOT_SENT in page
    assert "Confirmation" not in page

    mail_is_back(settings)
    Browser().post("/accounts/login/", {"login": "carol", "password": PASSWORD})
    assert [message.to for message in mail.outbox] == [["carol@example.com"]]


def test_who_forgot_the_password_is_told(alice: User, mail_away: None) -> None:
    browser = Browser()

    answer = browser.post("/accounts/password/reset/", {"email": alice.email})

    assert answer.status_code == 302
    assert NOT_SENT in browser.get(answer.headers["Location"]).content.decode()


def test_who_adds_an_address_is_told_and_may_ask_again(alice: User, mail_away: None, settings: Settings) -> None:
    browser = signed_in(alice)

    browser.post("/accounts/email/", {"action_add": "", "email": "alice2@example.com"})
    assert NOT_SENT in browser.get("/accounts/email/").content.decode()
    assert EmailAddress.objects.filter(user=alice, email="alice2@example.com").exists()

    mail_is_back(settings)
    browser.post("/accounts/email/", {"action_send": "", "email": "alice2@example.com"})
    assert [message.to for message in mail.outbox] == [["alice2@example.com"]]
