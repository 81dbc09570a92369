"""The pages inside are well made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import User
from tests.markup import Page, words
from tests.pages.browsing import assert_well_made, finish, judge, page_of, panel_of, signed_in
from workflows.models import Run

ROOMS = ["workflows:security", "account_change_password", "account_email", "account_logout", "account_reauthenticate"]


@pytest.mark.parametrize("name", ROOMS)
def test_the_pages_inside_are_well_made(name: str, alice: User, make_run: Callable[..., Run]) -> None:
    client = signed_in(alice, make_run(alice))
    page = page_of(client, reverse(name))
    assert_well_made(page)
    assert reverse("admin:index") not in page.values("href")


def test_the_pages_of_a_finished_run_are_well_made(admin: User, make_run: Callable[..., Run]) -> None:
    run = make_run(admin)
    judge(run)
    finish(run)
    client = signed_in(admin, run)
    for address in (reverse("workflows:security"), reverse("workflows:run", args=[run.pk])):
        page = page_of(client, address)
        assert_well_made(page)
        assert page.find("a", href=reverse("admin:index")).text == "Admin"
    assert panel_of(client, run).faults == []


@pytest.mark.parametrize("level", ["debug", "info", "success", "warning", "error"])
def test_messages_of_every_level_have_an_icon(level: str) -> None:
    message = Message(constants.DEFAULT_LEVELS[level.upper()], "Something happened.")
    page = Page(render_to_string("messages.html", {"messages": [message]}))
    assert words(page.text) == "Something happened."
    assert page.find("svg", class_=f"icon icon-{level}").attributes["aria-hidden"] == "true"
