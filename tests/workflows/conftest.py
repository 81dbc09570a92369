"""A sign-in with its run, made as the site makes them but without a browser."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from accounts.models import SignIn, User
from workflows.models import Run
from workflows.runs import create_run

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def make_run(alice: User) -> Callable[..., Run]:
    def make(user_agent: str = FIREFOX, **fields: object) -> Run:
        sign_in = SignIn.objects.create(
            user=alice, ip_address="192.0.2.7", user_agent=user_agent, issued_token=secrets.token_hex(32), **fields
        )
        return create_run(sign_in)

    return make


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    return make_run()
