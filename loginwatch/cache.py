"""Django's cache in the database, with writes that cost the same however much it holds."""

from __future__ import annotations

import base64
import pickle
from datetime import UTC, datetime
from typing import Any

from django.core.cache.backends import db
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.db import connections, router
from django.utils import timezone


class DatabaseCache(db.DatabaseCache):
    """A write is one statement, which PostgreSQL and SQLite both speak; Django's is five, of which one counts all rows.

    A sign-in writes eleven times for its limits. Nothing is dropped before it expires, as MAX_ENTRIES would have it: an
    attack would else push out the limits on it. What has expired is deleted by ``clear_expired``, which is for beat.
    """

    def __init__(self, table: str, params: dict[str, Any]) -> None:
        super().__init__(table, params)
        self._name = table

    def _base_set(self, mode: str, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT) -> bool:
        if mode == "touch":
            return bool(super()._base_set(mode, key, value, timeout))  # type: ignore[misc]  # the stubs leave it out
        expires_at = self.get_backend_timeout(timeout)
        expires = datetime.max.replace(tzinfo=UTC) if expires_at is None else datetime.fromtimestamp(expires_at, UTC)
        encoded = base64.b64encode(pickle.dumps(value, self.pickle_protocol)).decode("ascii")
        # "add" takes the place of what has expired only.
        condition = f" WHERE {self._name}.expires < %s" if mode == "add" else ""
        written = self._execute(
            f"INSERT INTO {self._name} (cache_key, value, expires) VALUES (%s, %s, %s)"  # noqa: S608  a name
            f" ON CONFLICT (cache_key) DO UPDATE SET value = excluded.value, expires = excluded.expires{condition}",
            [key, encoded, expires, *([timezone.now()] if condition else [])],
        )
        return written == 1

    def clear_expired(self) -> int:
        """Delete what has expired; returns how many."""
        return self._execute(f"DELETE FROM {self._name} WHERE expires < %s", [timezone.now()])  # noqa: S608  a name

    def _execute(self, statement: str, values: list[Any]) -> int:
        """How many rows it wrote. Times are kept in whole seconds, as Django's cache does."""
        connection = connections[router.db_for_write(self.cache_model_class)]
        adapt = connection.ops.adapt_datetimefield_value
        with connection.cursor() as cursor:
            cursor.execute(
                statement,
                [adapt(value.replace(microsecond=0)) if isinstance(value, datetime) else value for value in values],
            )
            return int(cursor.rowcount)
