"""What all tests share: the cast, and a test database that real workers can be given too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from pytest_django import Settings

from accounts.models import User
from tests.environment import SCRATCH
from workflows import breakers, publishing
from workflows.risk import draining

PASSWORD = "correct-horse-battery"


# Rooms whose tests do not touch the database under test.
ONCE = ("riskapi", "deployment", "demo", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent
    for item in items:
        if item.path.relative_to(folder).parts[0] in ONCE:
            item.add_marker("once")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """SQLite's test database as a file, so that real workers can be given the same one."""
    from django.conf import settings

    database: dict[str, Any] = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database.setdefault("TEST", {})["NAME"] = str(SCRATCH / "test_tests.sqlite3")


@pytest.fixture(autouse=True)
def closed_breaker() -> None:
    """What one test found out about the broker or a service is not true in the next."""
    publishing.breaker.close()
    breakers.forget()
    draining.forget()


@pytest.fixture(scope="session")
def password_hash() -> str:
    return make_password(PASSWORD)


@pytest.fixture
def make_user(db: None, password_hash: str) -> Callable[..., User]:
    """Makes a person whose e-mail address is verified and whose password is PASSWORD."""
    from allauth.account.models import EmailAddress

    def make(name: str, **fields: Any) -> User:
        user = User.objects.create(username=name, email=f"{name}@example.com", password=password_hash, **fields)
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        return user

    return make


@pytest.fixture
def alice(make_user: Callable[..., User]) -> User:
    return make_user("alice")


@pytest.fixture
def bob(make_user: Callable[..., User]) -> User:
    return make_user("bob")


@pytest.fixture
def admin(make_user: Callable[..., User]) -> User:
    return make_user("admin", is_staff=True, is_superuser=True)


@pytest.fixture
def smtp_at(settings: Settings) -> Callable[..., None]:
    """Has the site send its mail to a port of this machine, and wait for an answer for so many seconds."""

    def use(port: int, patience: float = 10.0) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, patience

    return use
