"""The links of a notice: one click and a button, signed out, and nothing more than that."""

from __future__ import annotations

import re

import pytest
import time_machine
from django.core import mail, signing
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import answer_links, notices
from accounts.models import SignIn, User
from tests.accounts.browser import ELSEWHERE, Browser, decide, later, said_of
from tests.markup import Page
from tests.pages.browsing import assert_well_made

RESET = "/accounts/password/reset/"
HERE = "http://testserver"


@pytest.fixture
def sign_in(alice: User, owner: Browser, intruder: Browser) -> SignIn:
    return decide(intruder.sign_in(alice))


@pytest.fixture
def links(sign_in: SignIn) -> dict[str, str]:
    """Their paths as the mail has them, by what they say."""
    notices.send_notice(notices.claim_notice(sign_in, "<1@testserver>"))
    found = re.findall(rf"^{HERE}(/answers/\S+/(mine|not-mine)/)$", str(mail.outbox[-1].body), re.M)
    return {said: path for path, said in found}


def test_a_scanner_that_follows_the_links_answers_nothing(
    sign_in: SignIn, links: dict[str, str], intruder: Browser
) -> None:
    for path in links.values():
        for method in ("get", "head"):
            assert getattr(Client(), method)(path).status_code == 200

    assert said_of(sign_in) == ""
    assert intruder.is_signed_in()


@pytest.mark.parametrize("said", ["mine", "not-mine"])
def test_a_link_leads_to_a_page_with_the_facts_and_one_button(links: dict[str, str], said: str) -> None:
    response = Client().get(links[said])
    page = Page(response.content.decode())

    assert_well_made(page)
    assert "alice" in page.text and "Chrome on Linux" in page.text and ELSEWHERE in page.text
    buttons = [e.text for e in page.elements if e.tag == "button"]
    assert buttons == ["It was me" if said == "mine" else "It was not me"]
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert "no-store" in response.headers["Cache-Control"]


def test_not_mine_throws_the_intruder_out_and_leads_to_the_password_reset(
    sign_in: SignIn, links: dict[str, str], intruder: Browser, owner: Browser
) -> None:
    client = Client()
    response = client.post(links["not-mine"])

    assert (response.status_code, response.headers["Location"]) == (302, RESET)
    assert "That browser is signed out" in client.get(RESET).content.decode()
    assert said_of(sign_in) == "not_mine"
    assert (intruder.is_signed_in(), owner.is_signed_in()) == (False, True)


def test_mine_is_stored_and_shown(sign_in: SignIn, links: dict[str, str], intruder: Browser) -> None:
    client = Client()
    response = client.post(links["mine"])

    assert (response.status_code, response.headers["Location"]) == (302, links["mine"])
    page = Page(client.get(links["mine"]).content.decode())
    assert_well_made(page)
    assert "Thank you." in page.text and "it was me" in page.text
    assert not any(e.tag == "button" for e in page.elements)
    assert intruder.is_signed_in()
    assert said_of(sign_in) == "mine"


def test_who_was_wrong_may_still_say_not_mine_but_not_take_it_back(sign_in: SignIn, links: dict[str, str]) -> None:
    Client().post(links["mine"])
    Client().post(links["not-mine"])
    assert said_of(sign_in) == "not_mine"

    response = Client().post(links["mine"], follow=True)
    page = Page(response.content.decode())
    assert said_of(sign_in) == "not_mine"
    assert page.find("a", href=RESET).text == "Choose a new password"
    assert "Thank you." not in page.text


def test_a_link_that_is_used_again_and_again_does_nothing_more(sign_in: SignIn, links: dict[str, str]) -> None:
    Client().post(links["not-mine"])
    sign_in.refresh_from_db()
    answered_at = sign_in.answered_at
    assert {Client().post(links["not-mine"]).status_code for _ in range(5)} == {302}

    sign_in.refresh_from_db()
    assert sign_in.answered_at == answered_at


def test_a_link_signs_nobody_in(links: dict[str, str]) -> None:
    client = Client()
    client.get(links["mine"])
    client.post(links["mine"])

    assert client.get("/security/").status_code == 302


def test_the_session_that_is_thrown_out_may_be_the_one_that_clicks(links: dict[str, str], intruder: Browser) -> None:
    assert intruder.post(links["not-mine"], {}).headers["Location"] == RESET

    assert intruder.get(RESET).status_code == 200
    assert not intruder.is_signed_in()


def test_another_person_on_the_same_machine_stays_signed_in(bob: User, sign_in: SignIn, links: dict[str, str]) -> None:
    browser = Browser()
    browser.sign_in(bob)
    browser.post(links["not-mine"], {})

    assert said_of(sign_in) == "not_mine"
    assert browser.is_signed_in()


@pytest.mark.parametrize("view", ["accounts:answer-mine", "accounts:answer-not-mine"])
def test_a_link_that_was_tampered_with_says_nothing_of_anybody(view: str, sign_in: SignIn) -> None:
    token = answer_links.token_of(sign_in)
    payload, rest = token.split(":", 1)
    tampered = [token[:-1], f"MQ:{rest}", payload, "x", "::", "é", "\x00", "x" * 5000, signing.dumps(sign_in.pk)]
    for wrong in tampered:
        for response in (Client().get(reverse(view, args=[wrong])), Client().post(reverse(view, args=[wrong]))):
            assert response.status_code == 404
            page = Page(response.content.decode())
            assert "This link does not work" in page.text and "alice" not in page.text
            assert_well_made(page)
    assert said_of(sign_in) == ""


def test_a_link_works_for_a_week(sign_in: SignIn, links: dict[str, str], intruder: Browser) -> None:
    with later(days=6, hours=23):
        assert Client().get(links["not-mine"]).status_code == 200
    with later(days=7, minutes=1):
        for response in (Client().get(links["not-mine"]), Client().post(links["not-mine"])):
            assert response.status_code == 410
            page = Page(response.content.decode())
            assert "It is too old" in page.text and "alice" not in page.text
            assert_well_made(page)
    assert said_of(sign_in) == ""


def test_a_link_of_a_sign_in_that_is_gone_has_expired(sign_in: SignIn, links: dict[str, str]) -> None:
    SignIn.objects.filter(pk=sign_in.pk).update(emptied_at=timezone.now())
    assert Client().post(links["not-mine"]).status_code == 410
    SignIn.objects.filter(pk=sign_in.pk).delete()
    assert Client().get(links["mine"]).status_code == 410


def test_a_form_of_another_site_is_refused(sign_in: SignIn, links: dict[str, str]) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post(links["not-mine"]).status_code == 403
    assert said_of(sign_in) == ""

    page = Page(client.get(links["not-mine"]).content.decode())
    token = page.find("input", name="csrfmiddlewaretoken").attributes["value"]
    assert client.post(links["not-mine"], {"csrfmiddlewaretoken": token}).status_code == 302


def test_a_mail_that_goes_out_late_has_links_that_work_for_a_week(sign_in: SignIn) -> None:
    with time_machine.travel(timezone.now() + answer_links.VALID):
        assert answer_links.sign_in_of(answer_links.token_of(sign_in)) == sign_in
