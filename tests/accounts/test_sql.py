"""Statements that are written out: they read and write what Django's query sets do, and survive a new connection."""

from __future__ import annotations

from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import sql
from accounts.models import Device, SecurityEvent, SignIn, User, Verdict
from tests.accounts.browser import Browser

pytestmark = pytest.mark.django_db(transaction=True)

NAME_OF = "SELECT username FROM accounts_user WHERE id = %(id)s"
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite's driver keeps plans by itself")


@pytest.fixture
def sign_in(alice: User) -> SignIn:
    sign_in = Browser().sign_in(alice)
    now = timezone.now()
    sign_in.device = Device.objects.create(user=alice, browser="Firefox", first_seen_at=now, last_seen_at=now)
    sign_in.save()
    return sign_in


def test_what_is_read_is_what_a_query_set_reads(sign_in: SignIn) -> None:
    tables = {"u": User, "i": SignIn, "d": Device}
    columns = ", ".join(sql.columns(model, alias) for alias, model in tables.items())
    statement = (
        f"SELECT {columns} FROM accounts_user u "  # noqa: S608  names
        "JOIN accounts_signin i ON i.user_id = u.id JOIN accounts_device d ON d.id = i.device_id WHERE i.id = %(id)s"
    )
    row = sql.fetch(statement, SignIn, id=sign_in.pk)
    assert row is not None

    for read, model in zip(sql.read(row, *tables.values()), tables.values(), strict=True):
        expected = model._default_manager.get(pk=read.pk)
        assert read == expected
        for field in model._meta.concrete_fields:
            assert getattr(read, field.attname) == getattr(expected, field.attname), field


def test_json_and_moments_come_back_as_they_were(sign_in: SignIn) -> None:
    event = SecurityEvent.objects.create(sign_in=sign_in, kind="signed_in", details={"place": "Köln", "n": [1, None]})
    row = sql.fetch(f"SELECT {sql.columns(SecurityEvent, 'e')} FROM accounts_securityevent e", SecurityEvent)  # noqa: S608
    assert row is not None

    (read,) = sql.read(row, SecurityEvent)

    assert isinstance(read, SecurityEvent)
    assert (read.details, read.created_at) == (event.details, event.created_at)


def test_the_rows_that_were_changed_are_counted(sign_in: SignIn) -> None:
    statement = "UPDATE accounts_signin SET place = %(place)s WHERE id = %(id)s"

    assert sql.execute(statement, SignIn, id=sign_in.pk, place="100 % Köln") == 1
    assert sql.execute(statement, SignIn, id=sign_in.pk + 1, place="") == 0
    assert SignIn.objects.get().place == "100 % Köln"


def test_where_there_is_no_row_nothing_is_read(alice: User) -> None:
    assert sql.fetch("SELECT id FROM accounts_verdict", Verdict) is None
    assert sql.fetch_all(NAME_OF, User, id=alice.pk) == [("alice",)]


@on_postgresql
def test_a_connection_prepares_a_statement_once_and_a_new_one_again(alice: User) -> None:
    connection.close()
    with CaptureQueriesContext(connection) as written:
        for _ in range(3):
            assert sql.fetch(NAME_OF, User, id=alice.pk) == ("alice",)
        connection.close()
        assert sql.fetch(NAME_OF, User, id=alice.pk) == ("alice",)

    kinds = [query["sql"].split()[0] for query in written]
    # SET is what a new connection is told (loginwatch/database.py).
    assert kinds == ["PREPARE", "EXECUTE", "EXECUTE", "EXECUTE", "SET", "PREPARE", "EXECUTE"]


@on_postgresql
def test_behind_a_pooler_nothing_is_prepared(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    with CaptureQueriesContext(connection) as written:
        assert sql.fetch(NAME_OF, User, id=alice.pk) == ("alice",)

    assert [query["sql"].split()[0] for query in written] == ["SELECT"]


@on_postgresql
def test_a_time_limit_in_the_middle_of_preparing_does_no_harm(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    execute = CursorWrapper.execute

    def interrupted(self: CursorWrapper, statement: Any, params: Any = None) -> Any:
        execute(self, statement, params)
        raise SoftTimeLimitExceeded  # the server has prepared it, and nobody here knows

    connection.close()
    with monkeypatch.context() as patch:
        patch.setattr(CursorWrapper, "execute", interrupted)
        with pytest.raises(SoftTimeLimitExceeded):
            sql.fetch(NAME_OF, User, id=alice.pk)

    assert sql.fetch(NAME_OF, User, id=alice.pk) == ("alice",)
    with CaptureQueriesContext(connection) as queries:
        assert sql.fetch(NAME_OF, User, id=alice.pk) == ("alice",)
    assert len(queries) == 1
