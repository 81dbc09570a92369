"""Plain SQL on a database, without Django."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2  # type: ignore[import-untyped]  # it has no types


class Database:
    """One connection, which commits each statement by itself but within ``transaction``."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def cursor(self) -> Any:
        return self._connection.cursor()

    def execute(self, statement: str, values: dict[str, Any] | None = None) -> None:
        with self.cursor() as cursor:
            cursor.execute(statement, values)

    def rows(self, statement: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self.cursor() as cursor:
            cursor.execute(statement, values)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def value(self, statement: str, values: dict[str, Any] | None = None) -> Any:
        """The first column of the first row."""
        return self.rows(statement, values)[0][0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")


def url_of(server: str, database: str) -> str:
    """The URL of another database of the same server."""
    return f"{server.rpartition('/')[0]}/{database}"
