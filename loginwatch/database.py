"""What each connection to the database is told at its beginning."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver


@receiver(connection_created)
def compile_nothing(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """PostgreSQL compiles a statement that it takes for costly, for some 0.3 s, which pays where millions of rows are
    read. In a big site it takes some for costly that read a few, as recovery's: 0.6 s instead of 0.03 (docs/scale.md).

    Not an option of the connection: PgBouncer refuses those.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off")
