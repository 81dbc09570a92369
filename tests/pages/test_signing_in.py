"""The way in: forms, links from mails, and what they say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.core import mail
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from tests.conftest import PASSWORD
from tests.markup import Page
from tests.pages.browsing import assert_well_made, page_of

ENTRANCES = [
    "account_login", "account_signup", "account_reset_password", "account_reset_password_done",
    "account_email_verification_sent", "account_inactive", "account_reset_password_from_key_done",
]  # fmt: skip


def test_the_sign_in_page_labels_its_fields_and_lets_password_managers_fill_them(client: Client, db: None) -> None:
    page = page_of(client, reverse("account_login"))
    name, password = page.find("input", name="login"), page.find("input", name="password")
    assert page.find("label", for_=name.attributes["id"]).text == "E-mail or user name"
    assert page.find("label", for_=password.attributes["id"]).text == "Password"
    assert (name.attributes["autocomplete"], password.attributes["autocomplete"]) == ("username", "current-password")
    assert "placeholder" not in name.attributes | password.attributes
    assert page.find("a", href=reverse("account_reset_password")).text == "Forgot password?"


def test_a_wrong_password_is_told_above_the_form_and_in_the_title(client: Client, alice: User) -> None:
    response = client.post(reverse("account_login"), {"login": "alice", "password": "a guess"})
    page = Page(response.content.decode())
    assert "not correct" in page.find("div", role="alert").text
    assert page.find("title").text == "Error: Sign in · Loginwatch"
    assert page.faults == []


def test_what_is_wrong_with_a_field_is_tied_to_it(client: Client, db: None) -> None:
    response = client.post(reverse("account_signup"), {"email": "x@example.com", "username": "a b"})
    page = Page(response.content.decode())
    username = page.find("input", name="username")
    assert username.attributes["aria-invalid"] == "true"
    error = page.find("ul", id=username.attributes["aria-describedby"])
    assert "letters, digits" in error.text
    assert page.faults == []


def test_the_demo_accounts_are_named_in_demo_mode_only(client: Client, db: None, settings: Settings) -> None:
    demo = ["alice@example.com", "bob@example.com", "admin@example.com", "loginwatch-demo"]
    page = page_of(client, reverse("account_login"))
    assert not any(text in page.text for text in [*demo, "demonstration"])
    settings.LOGINWATCH_DEMO = True
    page = page_of(client, reverse("account_login"))
    assert all(text in page.text for text in [*demo, "demonstration"])


def test_a_sign_in_lands_on_its_own_run(client: Client, alice: User) -> None:
    response = client.post(reverse("account_login"), {"login": "alice", "password": PASSWORD}, follow=True)
    page = Page(response.content.decode())
    assert response.redirect_chain == [(reverse("workflows:security"), 302)]
    assert "Signed in as alice." in page.text
    assert page.find("h2", id="this-sign-in").text == "This sign-in"
    assert "queued It waits for a worker." in page.text
    assert "0 of 5 steps done" in page.text
    assert page.faults == []


@pytest.mark.parametrize("demo", [False, True])
@pytest.mark.parametrize("name", ENTRANCES)
def test_the_pages_of_the_entrance_are_well_made(
    name: str, demo: bool, client: Client, db: None, settings: Settings
) -> None:
    settings.LOGINWATCH_DEMO = demo
    assert_well_made(page_of(client, reverse(name)))


def test_links_from_mails_lead_to_well_made_pages(client: Client, make_user: Callable[..., User]) -> None:
    carol = make_user("carol")
    address = EmailAddress.objects.get(user=carol)
    EmailAddress.objects.filter(pk=address.pk).update(verified=False)
    address.refresh_from_db()
    confirm = page_of(client, reverse("account_confirm_email", args=[EmailConfirmationHMAC(address).key]))
    assert "carol@example.com is the address of carol." in confirm.text
    assert_well_made(confirm)
    assert_well_made(page_of(client, reverse("account_confirm_email", args=["no-such-key"])))
    assert_well_made(page_of(client, reverse("account_reset_password_from_key", args=["1", "no-such-key"])))


def test_a_new_password_is_chosen_from_a_mail(client: Client, alice: User) -> None:
    client.post(reverse("account_reset_password"), {"email": alice.email})
    (letter,) = mail.outbox
    assert letter.subject == "Choose a new password"
    (link,) = [line for line in letter.body.splitlines() if line.startswith("http://testserver/")]
    response = client.get(link, follow=True)
    page = Page(response.content.decode())
    assert page.find("h1").text == "Choose a new password"
    assert_well_made(page)


def test_who_signs_up_is_sent_a_link_that_works(client: Client, db: None) -> None:
    form = {"email": "o'neil@example.com", "username": "oneil", "password1": PASSWORD, "password2": PASSWORD}
    client.post(reverse("account_signup"), form)
    (letter,) = mail.outbox
    assert letter.subject == "Confirm your e-mail address"
    assert letter.body.startswith("Hello oneil,\n") and "&" not in letter.body
    (link,) = [line for line in letter.body.splitlines() if line.startswith("http://testserver/")]
    assert "o'neil@example.com" in page_of(client, link).text


def test_a_link_that_was_used_leads_to_the_sign_in(client: Client, db: None) -> None:
    page = page_of(client, reverse("account_confirm_email", args=["no-such-key"]))
    assert "If you have confirmed already, sign in." in page.text


@pytest.mark.parametrize("name", ["email_confirm", "email_deleted"])
def test_changes_to_an_account_are_told_in_plain_text(name: str, alice: User) -> None:
    context = {
        "user": alice, "current_site": {"name": "Loginwatch", "domain": "testserver"}, "timestamp": timezone.now(),
        "ip": "192.0.2.1", "user_agent": "A & B",
        "deleted_email": "o'neil@example.com",
    }  # fmt: skip
    body = render_to_string(f"account/email/{name}_message.txt", context).strip()
    assert body.startswith("Hello alice,\n") and body.endswith("\n\nLoginwatch")
    assert "Browser:    A & B" in body and "If it was not you, choose a new password at once" in body
    assert "&#" not in body and "email " not in body
    assert len(render_to_string(f"account/email/{name}_subject.txt").splitlines()) == 1


def test_a_changed_password_is_told_on_the_page(alice: User) -> None:
    client = Client()
    client.post(reverse("account_login"), {"login": "alice", "password": PASSWORD})
    form = {"oldpassword": PASSWORD, "password1": "quite another one", "password2": "quite another one"}
    response = client.post(reverse("account_change_password"), form, follow=True)
    assert "Your password is changed. Other browsers are signed out." in Page(response.content.decode()).text


def test_signing_up_twice_and_resetting_what_is_not_there_say_what_to_do(client: Client, alice: User) -> None:
    form = {"email": alice.email, "username": "other", "password1": PASSWORD, "password2": PASSWORD}
    client.post(reverse("account_signup"), form)
    client.post(reverse("account_reset_password"), {"email": "nobody@example.com"})
    assert [letter.subject for letter in mail.outbox] == [
        "You have an account already",
        "No account has this e-mail address",
    ]
