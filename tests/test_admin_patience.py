"""What a list of the admin asks the database for is given up after a while, whatever it is asked for by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client

from accounts import paging
from accounts.models import SignIn, User
from tests.markup import Page
from tests.test_admin import operator as operator  # the fixture
from workflows.bulk import list_admin
from workflows.bulk.models import BulkJob
from workflows.models import Run
from workflows.runs import create_run

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite stops at no statement"),
]

SIGN_INS, RUNS = "/admin/accounts/signin/", "/admin/workflows/run/"


@contextmanager
def silent(model: type[Model]) -> Iterator[None]:
    """Its table answers nobody, as where there is too much to look through."""
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {model._meta.db_table} IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        other.rollback()
        other.close()


@pytest.fixture
def run(alice: User, operator: Client, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(paging, "LONG_PATIENCE", 0.5)
    return create_run(SignIn.objects.create(user=alice, issued_token="x"))


def choose(client: Client, address: str, action: str, row: Model) -> Any:
    data = {"action": action, "index": "0", "select_across": "1", "_selected_action": [row.pk]}
    return client.post(address, data)


def assert_was_given_up(answer: Any) -> None:
    page = Page(answer.content.decode())
    assert answer.status_code == 503
    assert page.faults == []
    assert "did not find them within 0.50 seconds" in page.text
    assert "Nothing was done to any of them." in page.text


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_list_that_takes_too_long_is_given_up(operator: Client, run: Run, method: str) -> None:
    with silent(SignIn):
        assert getattr(operator, method)(SIGN_INS).status_code == 503


def test_a_list_that_takes_too_long_is_given_up_for_an_action_too(operator: Client, run: Run) -> None:
    with silent(SignIn):
        given_up = choose(operator, f"{SIGN_INS}?place=Atlantis&wait=1", "bulk_anonymise", run.sign_in)

    assert_was_given_up(given_up)
    assert f"{SIGN_INS}?place=Atlantis&amp;wait=1" in given_up.content.decode()
    assert not BulkJob.objects.exists()


def from_then_on_silent(begin: Callable[..., Any], model: type[Model], until: ExitStack) -> Callable[..., Any]:
    def begin_late(*arguments: Any) -> Any:
        until.enter_context(silent(model))
        return begin(*arguments)

    return begin_late


def test_a_bulk_job_whose_rows_take_too_long_to_count_is_not_started(
    operator: Client, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as until:
        late = from_then_on_silent(list_admin._ask_or_queue, SignIn, until)
        monkeypatch.setattr(list_admin, "_ask_or_queue", late)
        given_up = choose(operator, SIGN_INS, "bulk_anonymise", run.sign_in)

    assert_was_given_up(given_up)
