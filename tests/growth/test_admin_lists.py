"""A list in the admin costs what it shows or finds, and counts as far as anybody pages."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts import paging
from accounts.models import SecurityEvent, SignIn, User
from accounts.paging import A_PAGE, MOST
from tests.growth.filling import BUSY
from tests.growth.plans import assert_touched, explained
from workflows.models import Run

LISTS = list(admin.site._registry)


# One person of ten sign-ins; her, in two words; an address that nobody had; a network; a run.
WORDS = ["person-4711@example.com", "person-4711@ person-4711", "198.51.100.7", "198.51.100.0/24", str(UUID(int=4711))]


@pytest.fixture
def operator(site: None, client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(paging, "PATIENCE", paging.LONG_PATIENCE)  # to be explained takes time
    User.objects.filter(pk=BUSY).update(is_staff=True, is_superuser=True)
    client.force_login(User.objects.get(pk=BUSY))
    return client


@pytest.mark.parametrize("model", LISTS, ids=lambda model: str(model._meta.label))
def test_a_list_in_the_admin(operator: Client, model: type[Model]) -> None:
    with explained() as statements:
        assert operator.get(address(model)).status_code == 200

    # A page of rows, each with up to two of other tables, beside those that are counted.
    for statement in statements:
        assert statement.rows <= MOST + 3 * A_PAGE, statement


def test_the_list_of_runs_of_no_sign_in(operator: Client) -> None:
    with explained() as statements:
        assert operator.get(address(Run), {"kind": "password_change"}).status_code == 200

    assert_touched(statements, rows=MOST + 1, buffers=MOST)


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("model", LISTS, ids=lambda model: str(model._meta.label))
def test_a_search_in_the_admin(operator: Client, model: type[Model], words: str) -> None:
    with explained() as statements:
        assert operator.get(address(model), {"q": words}).status_code == 200

    assert_touched(statements, rows=500, buffers=2000)


def test_a_search_for_somebody_with_much(operator: Client) -> None:
    with explained() as statements:
        assert operator.get(address(SignIn), {"q": f"person-{BUSY}@example.com"}).status_code == 200

    # To show the newest 100 of 10,000, and to count as far as anybody pages.
    assert sum(statement.rows for statement in statements) <= 3 * 10_000 + 1000


def test_the_log_of_somebody_with_much(operator: Client) -> None:
    for more in ({}, {"kind__exact": "signed_in"}):
        with explained() as statements:
            assert operator.get(address(SecurityEvent), {"q": f"person-{BUSY}@example.com"} | more).status_code == 200

        assert_touched(statements, rows=MOST + 3 * A_PAGE, buffers=MOST + 10 * A_PAGE)


def address(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
