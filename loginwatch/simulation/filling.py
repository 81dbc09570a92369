"""Filling the tables of a site in one transaction: where it is killed before its end, the site is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.color import no_style
from django.db import connection
from django.db.models import Model

from loginwatch.simulation.schema import Schema

# Sorts behind an index.
MEMORY = "256MB"


@contextmanager
def filling(models: list[type[Model]], *, bare: list[type[Model]]) -> Iterator[None]:
    """To be called in a transaction. Nobody else writes to the models' tables; their sequences go on behind it.

    On PostgreSQL the tables of ``bare`` have no indexes and foreign keys meanwhile, and nobody reads them.
    """
    with connection.cursor() as cursor:
        schema = None
        if connection.vendor == "postgresql":
            # What others have written in this transaction is checked now: tables that wait for it cannot be changed.
            connection.check_constraints()
            cursor.execute(f"LOCK TABLE {_tables(models)} IN {'ACCESS EXCLUSIVE' if bare else 'EXCLUSIVE'} MODE")
            schema = Schema.of(cursor, [model._meta.db_table for model in bare])
            schema.take_off(cursor)
        yield
        if schema:
            cursor.execute(f"SET LOCAL maintenance_work_mem = '{MEMORY}'")
            for table in schema.tables:
                schema.put_back_indexes(cursor, table)
            schema.put_back_foreign_keys(cursor)
            cursor.execute(f"ANALYZE {_tables(models)}")
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)


def _tables(models: list[type[Model]]) -> str:
    return ", ".join(model._meta.db_table for model in models)
