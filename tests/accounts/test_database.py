"""What has happened outside is written down though the database is away for a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError, connection, transaction

from accounts import database
from accounts.database import insist
from accounts.models import User


def failing(errors: Iterator[Exception]) -> Callable[[], None]:
    """A write that fails with each of ``errors`` in turn, after it has written, and then does not."""

    def write() -> None:
        User.objects.create(username="written", email="written@example.com")
        for error in errors:
            raise error

    return write


def test_it_is_written_once_when_the_database_is_back(transactional_db: None) -> None:
    insist(failing(iter([OperationalError("away"), OperationalError("still away")])))

    assert User.objects.count() == 1


def test_a_connection_that_the_server_cut_is_replaced(transactional_db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server")
    cuts = iter(["once"])

    def write() -> None:
        with connection.cursor() as cursor:
            for _ in cuts:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            cursor.execute("SELECT 1")

    insist(write)


def test_patience_ends(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.0)

    with pytest.raises(OperationalError, match="away"):
        insist(failing(OperationalError("away") for _ in range(100)))

    assert not User.objects.exists()


def test_inside_another_transaction_it_is_not_repeated(db: None) -> None:
    with pytest.raises(OperationalError, match="first"), transaction.atomic():
        insist(failing(iter([OperationalError("first"), OperationalError("second")])))


def test_another_error_is_not_waited_out(transactional_db: None) -> None:
    with pytest.raises(ValueError, match="wrong"):
        insist(failing(iter([ValueError("wrong")])))
