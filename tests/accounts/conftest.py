from __future__ import annotations

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from pytest_django import Settings

from accounts.models import User
from tests.accounts.browser import CHROME_ON_LINUX, ELSEWHERE, Browser, decide, later
from tests.conftest import PASSWORD


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: Settings) -> None:
    """Hundreds of sign-ins happen here; what Argon2 costs is not what they are about."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def password_hash() -> str:
    hasher = MD5PasswordHasher()
    return hasher.encode(PASSWORD, hasher.salt())


@pytest.fixture
def owner(alice: User) -> Browser:
    """Of the account, in which she signed in the day before yesterday."""
    browser = Browser()
    with later(days=-2):
        decide(browser.sign_in(alice))
    return browser


@pytest.fixture
def intruder() -> Browser:
    return Browser(CHROME_ON_LINUX, ELSEWHERE)
