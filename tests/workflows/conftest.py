"""A sign-in with its run, made as the site makes them but without a browser."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from accounts.models import SignIn, User
from tests.workflows.risk_service import RiskService, risk_service
from workflows.models import Run
from workflows.runs import create_run

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def make_run(alice: User) -> Callable[..., Run]:
    def make(user_agent: str = FIREFOX, ip_address: str = "192.0.2.7", **fields: object) -> Run:
        sign_in = SignIn.objects.create(
            user=alice,
            ip_address=ip_address,
            user_agent=user_agent,
            issued_token=secrets.token_hex(32),
            **fields,
        )
        return create_run(sign_in)

    return make


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    return make_run()


@pytest.fixture
def risk(settings: Settings) -> Iterator[RiskService]:
    """The one that the site is told to ask."""
    with risk_service() as service:
        settings.RISK_API_URL = service.url
        yield service
