"""When something is wrong."""

from __future__ import annotations

import pytest
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views import defaults
from django.views.csrf import csrf_failure
from pytest_django import Settings

from tests.markup import Page
from tests.pages.browsing import assert_well_made, page_of


def test_a_missing_page_says_so(client: Client, db: None) -> None:
    page = page_of(client, "/no-such-page/", status=404)
    assert_well_made(page)
    assert page.find("h1").text == "There is no such page"


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "429"])
def test_the_pages_of_errors_are_well_made(name: str, rf: RequestFactory) -> None:
    assert_well_made(Page(render_to_string(f"{name}.html", request=rf.get("/"))))


def test_the_page_of_an_error_of_ours_needs_nothing(rf: RequestFactory) -> None:
    page = Page(defaults.server_error(rf.get("/")).content.decode())
    assert_well_made(page)
    assert page.find("h1").text == "Something went wrong"


def test_the_page_of_a_database_that_is_away_needs_nothing() -> None:
    page = Page(render_to_string("503.html"))
    assert_well_made(page)
    assert page.find("h1").text == "Back in a moment"


def test_a_form_that_cannot_be_checked_is_asked_for_again(rf: RequestFactory) -> None:
    response = csrf_failure(rf.post("/"))
    assert response.status_code == 403
    assert_well_made(Page(response.content.decode()))


def test_too_many_attempts_are_told_so(client: Client, db: None, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"reset_password": "1/m/ip"}
    for _ in range(2):
        response = client.post(reverse("account_reset_password"), {"email": "nobody@example.com"})
    assert response.status_code == 429
    page = Page(response.content.decode())
    assert page.find("h1").text == "Too many attempts"
    assert_well_made(page)
