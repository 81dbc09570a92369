"""An address is the same however it is written: it is kept in lower case, whoever writes it."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.core import mail
from django.core.management import call_command
from django.db import connection

from accounts.models import User
from tests.accounts.browser import LOGIN, Browser, signed_in
from tests.conftest import PASSWORD

BOSS = "Boss@Example.COM"
LOWER = "boss@example.com"


def by_the_admin(admin: User, password_hash: str, tmp_path: Path) -> None:
    form = {"email": BOSS, "username": "boss", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    answer = signed_in(admin).post("/admin/accounts/user/add/", form)
    assert answer.status_code == 302, answer.content.decode()


def by_a_command(admin: User, password_hash: str, tmp_path: Path) -> None:
    call_command("createsuperuser", email=BOSS, username="boss", interactive=False)
    User.objects.filter(username="boss").update(password=password_hash)


def by_a_fixture(admin: User, password_hash: str, tmp_path: Path) -> None:
    fields = {"email": BOSS, "username": "boss", "password": password_hash}
    fixture = tmp_path / "boss.json"
    fixture.write_text(json.dumps([{"model": "accounts.user", "pk": 4711, "fields": fields}]))
    call_command("loaddata", fixture, verbosity=0)


def in_bulk(admin: User, password_hash: str, tmp_path: Path) -> None:
    User.objects.bulk_create([User(email=BOSS, username="boss", password=password_hash)])


def by_an_update(admin: User, password_hash: str, tmp_path: Path) -> None:
    User.objects.create(email="old@example.com", username="boss", password=password_hash)
    User.objects.filter(username="boss").update(email=BOSS)


@pytest.fixture(params=[by_the_admin, by_a_command, by_a_fixture, in_bulk, by_an_update])
def boss(request: pytest.FixtureRequest, admin: User, password_hash: str, tmp_path: Path) -> User:
    request.param(admin, password_hash, tmp_path)
    return User.objects.get(username="boss")


@pytest.mark.parametrize("typed", [BOSS, LOWER])
def test_they_sign_in_by_it(boss: User, typed: str) -> None:
    answer = Browser().post(LOGIN, {"login": typed, "password": PASSWORD})

    # They are asked to confirm it, as they have not yet.
    assert answer.status_code == 302, answer.content.decode()
    assert mail.outbox[-1].to == [LOWER]


def test_they_are_sent_a_new_password(boss: User) -> None:
    Browser().post("/accounts/password/reset/", {"email": LOWER})

    assert mail.outbox[-1].to == [LOWER]
    assert "/accounts/password/reset/key/" in mail.outbox[-1].body


def test_a_stranger_who_signs_up_with_it_gets_the_answer_for_one_that_is_taken(boss: User) -> None:
    form = {"email": LOWER, "username": "stranger", "password1": PASSWORD, "password2": PASSWORD}
    answer = Browser().post("/accounts/signup/", form)

    assert answer.headers["Location"] == "/accounts/confirm-email/"
    assert not User.objects.filter(username="stranger").exists()


def test_they_are_found_by_it_in_any_case(boss: User) -> None:
    assert User.objects.get(email=BOSS) == User.objects.get(email=LOWER) == boss


def has_addresses(user: User, *rows: tuple[str, bool, bool]) -> None:
    """As they were once written: email, verified, primary."""
    EmailAddress.objects.filter(user=user).delete()
    EmailAddress.objects.bulk_create(
        EmailAddress(user=user, email=email, verified=verified, primary=primary) for email, verified, primary in rows
    )


def addresses_of(user: User) -> list[tuple[str, bool, bool]]:
    return [(row.email, row.verified, row.primary) for row in EmailAddress.objects.filter(user=user).order_by("email")]


def migrate() -> None:
    import_module("accounts.migrations.0011_addresses_in_lower_case").lower(apps, None)


def test_what_was_written_in_capitals_before_is_lowered(alice: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET email = 'Alice@Example.com'")
    has_addresses(alice, ("Alice@Example.com", True, True), ("alice.WORK@example.com", False, False))

    migrate()

    alice.refresh_from_db()
    assert alice.email == "alice@example.com"
    assert addresses_of(alice) == [("alice.work@example.com", False, False), ("alice@example.com", True, True)]


def test_two_spellings_of_an_account_become_one_that_is_confirmed_and_primary_where_one_was(alice: User) -> None:
    has_addresses(alice, ("ALICE@example.com", True, False), ("alice@example.com", False, True))

    migrate()

    assert addresses_of(alice) == [("alice@example.com", True, True)]


def test_an_address_that_two_accounts_have_confirmed_stays_as_it_is(alice: User, bob: User) -> None:
    has_addresses(bob, ("Alice@example.com", True, False), ("bob@example.com", True, True))

    migrate()

    assert addresses_of(alice) == [("alice@example.com", True, True)]
    assert ("Alice@example.com", True, False) in addresses_of(bob)
