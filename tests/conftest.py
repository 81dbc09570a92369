"""What all tests share: the environment of the site under test, and the cast."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


# Before Django reads its settings: nothing of the machine's own set-up may leak in. Servers that tests start
# listen where these say; those they do not start refuse, as they would for a user.
SCRATCH = Path(tempfile.mkdtemp(prefix="loginwatch-tests-"))
os.environ.update(
    {
        "ENV_FILE": os.devnull,
        "VAR_DIR": str(SCRATCH),
        "DEBUG": "1",
        "SECRET_KEY": "a-secret-key-of-the-tests-that-is-long-enough-for-anything",
        "SITE_URL": "http://testserver",
        "ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
        "DATABASE_URL": os.environ.get("TEST_DATABASE_URL") or f"sqlite:///{SCRATCH / 'tests.sqlite3'}",
        "REDIS_URL": f"redis://127.0.0.1:{_free_port()}/0",
        "RISK_API_URL": f"http://127.0.0.1:{_free_port()}",
        "EMAIL_URL": f"maildir:///{SCRATCH / 'mail'}",
        "LOGINWATCH_DEMO": "0",
    }
)

from django.contrib.auth.hashers import make_password  # noqa: E402  after the environment

from accounts.models import User  # noqa: E402

PASSWORD = "correct-horse-battery"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """SQLite's test database as a file, so that real workers can be given the same one."""
    from django.conf import settings

    database: dict[str, Any] = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database.setdefault("TEST", {})["NAME"] = str(SCRATCH / "test_tests.sqlite3")


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
