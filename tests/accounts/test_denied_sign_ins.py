"""A sign-in that the risk service denies: its session ends, and its device gains nothing by it."""

from __future__ import annotations

from typing import Any

from django.test import Client
from pytest_django import Settings

from accounts import verdicts
from accounts.models import SignIn, User
from tests.accounts.browser import UNTRUSTED, Browser, decide, found
from tests.conftest import PASSWORD

DENY: dict[str, Any] = {"id": "a-1", "score": 75, "level": "high", "decision": "deny", "reasons": []}


def test_the_device_of_a_denied_sign_in_is_not_known_the_next_time(alice: User) -> None:
    browser = Browser()
    verdicts.act_on_assessment(decide(browser.sign_in(alice)), DENY)

    assert found(decide(browser.sign_in(alice))) == UNTRUSTED


def test_a_sign_in_over_another_persons_session_can_be_ended(alice: User, admin: User, settings: Settings) -> None:
    settings.LOGINWATCH_ENFORCE = "enforce"
    client = Client()
    client.force_login(alice)
    client.post("/admin/login/?next=/admin/", {"username": "admin", "password": PASSWORD})
    assert client.get("/admin/").status_code == 200
    denied = SignIn.objects.get(user=admin)

    verdicts.act_on_assessment(decide(denied), DENY)

    assert client.get("/admin/").status_code == 302
