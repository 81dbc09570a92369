"""The tests here share one filled database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoDbBlocker, Settings

from accounts.models import User
from tests.conftest import PASSWORD
from tests.growth.filling import BUSY, fill


@pytest.fixture(scope="package")
def filled(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        if connection.vendor != "postgresql":
            pytest.skip("SQLite does not tell what a statement touched")
        fill()
    yield
    with django_db_blocker.unblock():
        call_command("flush", interactive=False, verbosity=0)
        cache.clear()


@pytest.fixture(scope="module")
def swept(filled: None, django_db_blocker: DjangoDbBlocker) -> None:
    """What tests took back is in the tables and indexes until somebody cleans up: not whoever is measured."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("VACUUM")


@pytest.fixture
def site(swept: None, db: None) -> None:
    """What a test writes is taken back at its end."""


@pytest.fixture(params=[BUSY, 4711], ids=["of 10,000 sign-ins", "of 10 sign-ins"])
def person(site: None, request: pytest.FixtureRequest, settings: Settings) -> User:
    """Who can sign in with PASSWORD."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    hasher = MD5PasswordHasher()
    User.objects.filter(pk=request.param).update(password=hasher.encode(PASSWORD, hasher.salt()))
    return User.objects.get(pk=request.param)
