"""The page on which a person who is signed in answers for one of their sign-ins, and what leads there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import follow_ups, notices, verdicts
from accounts.models import Notice, SignIn, User, Verdict
from tests.accounts.browser import ELSEWHERE, FIREFOX_ON_WINDOWS, Browser, decide, said_of
from tests.markup import Page
from tests.pages.browsing import assert_well_made

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

RESET = "/accounts/password/reset/"


@pytest.fixture
def sign_in(alice: User, owner: Browser, intruder: Browser) -> SignIn:
    """The intruder's, of which a notice was sent."""
    sign_in = decide(intruder.sign_in(alice))
    notices.send_notice(notices.claim_notice(sign_in, "<1@testserver>"))
    return sign_in


def address(sign_in: SignIn) -> str:
    return reverse("accounts:answer", args=[sign_in.pk])


def say(browser: Browser, sign_in: SignIn, said: str) -> Response:
    return browser.post(address(sign_in), {"answer": said})


def page_of(browser: Browser, path: str) -> Page:
    response = browser.get(path)
    assert response.status_code == 200
    return Page(response.content.decode())


def buttons_of(page: Page) -> list[str]:
    return [e.attributes["value"] for e in page.elements if e.tag == "button" and e.attributes.get("name") == "answer"]


def test_looking_changes_nothing(owner: Browser, intruder: Browser, sign_in: SignIn) -> None:
    page = page_of(owner, address(sign_in))

    assert_well_made(page)
    assert buttons_of(page) == ["mine", "not_mine"]
    assert "Chrome on Linux" in page.text and ELSEWHERE in page.text
    assert owner.client.head(address(sign_in)).status_code == 200
    assert said_of(sign_in) == ""
    assert intruder.is_signed_in()


def test_not_mine_from_another_browser_throws_that_one_out_and_offers_a_new_password(
    owner: Browser, intruder: Browser, sign_in: SignIn
) -> None:
    response = say(owner, sign_in, "not_mine")

    assert (response.status_code, response.headers["Location"]) == (302, address(sign_in))
    page = page_of(owner, address(sign_in))
    assert_well_made(page)
    assert "That browser is signed out" in page.find("ul", class_="messages").text
    assert buttons_of(page) == []
    assert ("Choose a new password", "/accounts/password/change/") in [
        (e.text, e.attributes["href"]) for e in page.elements if e.tag == "a"
    ]
    assert not intruder.is_signed_in()
    assert owner.is_signed_in()


def test_not_mine_of_the_very_session_signs_it_out_and_leads_to_the_password_reset(
    intruder: Browser, sign_in: SignIn
) -> None:
    assert buttons_of(page_of(intruder, address(sign_in))) == ["not_mine"]
    response = say(intruder, sign_in, "not_mine")

    assert (response.status_code, response.headers["Location"]) == (302, RESET)
    page = page_of(intruder, RESET)
    assert "That browser is signed out" in page.text
    assert not intruder.is_signed_in()


def test_mine_from_a_device_that_was_there_before_is_stored_and_shown(owner: Browser, sign_in: SignIn) -> None:
    assert say(owner, sign_in, "mine").headers["Location"] == address(sign_in)

    page = page_of(owner, address(sign_in))
    assert said_of(sign_in) == "mine"
    assert "it was me" in page.text
    assert buttons_of(page) == ["not_mine"]


def test_an_intruder_cannot_have_the_questions_stopped(alice: User, intruder: Browser, sign_in: SignIn) -> None:
    assert say(intruder, sign_in, "mine").status_code == 302
    page = page_of(intruder, address(sign_in))
    assert "“It was me” was not stored." in page.text
    assert "whoever signed in would say so" in page.text and "the link in the mail" in page.text
    decide(intruder.sign_in(alice))
    assert say(intruder, sign_in, "mine").status_code == 302

    assert said_of(sign_in) == ""


def test_nor_by_an_earlier_sign_in_of_theirs_for_a_later_one(alice: User, owner: Browser, intruder: Browser) -> None:
    decide(intruder.sign_in(alice))
    later_one = decide(Browser(FIREFOX_ON_WINDOWS, "192.0.2.7").sign_in(alice))
    deny = {"id": "a-1", "score": 75, "level": "high", "decision": "deny", "reasons": []}
    verdicts.act_on_assessment(later_one, deny)
    follow_ups.ask_about(later_one, "<1@testserver>")

    assert buttons_of(page_of(intruder, address(later_one))) == ["not_mine"]
    say(intruder, later_one, "mine")

    assert said_of(later_one) == ""
    assert Notice.objects.get().follow_up_at is not None


def test_who_cannot_say_mine_is_told_where_they_can(alice: User, owner: Browser, intruder: Browser) -> None:
    sign_in = decide(intruder.sign_in(alice))
    young = Browser(FIREFOX_ON_WINDOWS, ELSEWHERE)
    decide(young.sign_in(alice))

    page = page_of(young, address(sign_in))
    assert_well_made(page)
    assert buttons_of(page) == ["not_mine"]
    assert "Use a device that you had used for a day or more before." in page.text
    notices.claim_notice(sign_in, "<1@testserver>")
    page = page_of(young, address(sign_in))
    assert "Use the link in the mail that we sent you, which works in any browser, or a device" in page.text
    assert "not taken from this browser" not in page_of(owner, address(sign_in)).text


def test_a_double_click_is_one_answer(owner: Browser, intruder: Browser, sign_in: SignIn) -> None:
    first, second = say(owner, sign_in, "not_mine"), say(owner, sign_in, "not_mine")

    assert first.headers["Location"] == second.headers["Location"]
    assert said_of(sign_in) == "not_mine"
    # From the session that the first has ended, the second asks for a sign-in.
    assert say(intruder, sign_in, "not_mine").headers["Location"].startswith("/accounts/login/")


def test_not_mine_is_not_taken_back(owner: Browser, sign_in: SignIn) -> None:
    say(owner, sign_in, "not_mine")
    say(owner, sign_in, "mine")

    assert said_of(sign_in) == "not_mine"
    assert "will not be asked" not in page_of(owner, address(sign_in)).text


def test_another_persons_sign_in_is_not_there(bob: User, admin: User, sign_in: SignIn) -> None:
    for person in (bob, admin):
        browser = Browser()
        browser.sign_in(person)
        assert browser.get(address(sign_in)).status_code == 404
        assert say(browser, sign_in, "not_mine").status_code == 404
        assert browser.get(reverse("accounts:answer", args=[10**30])).status_code == 404
    assert said_of(sign_in) == ""


def test_who_is_signed_out_is_asked_to_sign_in(sign_in: SignIn) -> None:
    for response in (Browser().get(address(sign_in)), say(Browser(), sign_in, "not_mine")):
        assert response.headers["Location"] == f"/accounts/login/?next={address(sign_in)}"
    assert said_of(sign_in) == ""


def test_a_forgotten_sign_in_is_not_there(owner: Browser, sign_in: SignIn) -> None:
    SignIn.objects.filter(pk=sign_in.pk).update(emptied_at=timezone.now())

    assert owner.get(address(sign_in)).status_code == 404


@pytest.mark.parametrize("said", ["", "yes", "MINE", "\x00"])
def test_an_answer_that_is_none_is_refused(owner: Browser, sign_in: SignIn, said: str) -> None:
    assert say(owner, sign_in, said).status_code == 400
    assert owner.client.put(address(sign_in)).status_code == 405


def test_a_form_of_another_site_is_refused(alice: User, sign_in: SignIn) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    assert client.post(address(sign_in), {"answer": "not_mine"}).status_code == 403
    assert said_of(sign_in) == ""


# --- What the pages of the run show -------------------------------------------------------------------------


def run_page(sign_in: SignIn) -> str:
    return reverse("workflows:run", args=[sign_in.run.pk])


def test_a_sign_in_that_was_told_of_has_the_buttons_beside_its_run(owner: Browser, sign_in: SignIn) -> None:
    page = page_of(owner, run_page(sign_in))

    assert_well_made(page)
    assert buttons_of(page) == ["mine", "not_mine"]
    assert page.find("form", class_="answer").attributes["action"] == address(sign_in)
    say(owner, sign_in, "mine")
    page = page_of(owner, run_page(sign_in))
    assert buttons_of(page) == []
    assert "You have said of this sign-in: it was me." in page.text


def test_the_session_itself_is_offered_not_mine_alone(intruder: Browser, sign_in: SignIn) -> None:
    page = page_of(intruder, "/security/")

    assert_well_made(page)
    assert buttons_of(page) == ["not_mine"]
    assert "the link in the mail" in page.text


@pytest.mark.parametrize(("decision", "asked"), [("allow", False), ("challenge", True), ("deny", True)])
def test_a_sign_in_that_nobody_was_told_of_is_asked_about_where_its_verdict_is_against_it(
    alice: User, owner: Browser, decision: str, asked: bool
) -> None:
    first = SignIn.objects.get()
    Verdict.objects.create(sign_in=first, score=40, level="medium", decision=decision, action="flagged")
    another = Browser()
    another.sign_in(alice)

    page = page_of(another, run_page(first))
    assert buttons_of(page) == (["mine", "not_mine"] if asked else [])
    assert (address(first) in page.values("href")) != asked


def test_staff_do_not_answer_for_others(admin: User, sign_in: SignIn) -> None:
    browser = Browser()
    browser.sign_in(admin)

    page = page_of(browser, run_page(sign_in))
    assert buttons_of(page) == []
    assert address(sign_in) not in page.addresses()
