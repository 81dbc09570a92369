"""Statements that are written out, for those that every sign-in needs: Django would build each anew every time.

That takes it 0.3 to 0.7 ms, several times what the database needs to answer (docs/performance.md). Values are given by
the names of a model's fields, in the form that Django has them; both databases understand the statements.

PostgreSQL plans a statement each time, too, which takes it longer than to carry it out. So each connection has them
prepared, except where DISABLE_SERVER_SIDE_CURSORS says that a pooler hands its connections around.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Field, Model

Fields = Sequence["Field[Any, Any]"]
PLACE = re.compile(r"%\((\w+)\)s")


def execute(statement: str, model: type[Model], **values: Any) -> int:
    """Run a statement in which ``%(name)s`` stands for a value of the ``model``'s field; returns the rows affected."""
    with connection.cursor() as cursor:
        run(cursor, statement, in_database_form(model, values))
        return int(cursor.rowcount)


def fetch(statement: str, model: type[Model], **values: Any) -> tuple[Any, ...] | None:
    """The first row of what a statement returns, if there is one."""
    with connection.cursor() as cursor:
        run(cursor, statement, in_database_form(model, values))
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


def fetch_all(statement: str, model: type[Model], **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        run(cursor, statement, in_database_form(model, values))
        return list(cursor.fetchall())


def run(cursor: CursorWrapper, statement: str, values: dict[str, Any]) -> None:
    """Run a statement in which ``%(name)s`` stands for a value, of those that come again and again."""
    if connection.vendor != "postgresql" or connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        cursor.execute(statement, values)
        return
    name, preparing, executing = _prepared_form(statement)
    if name not in _known_to(connection, cursor):
        _prepare(connection, cursor, name, preparing)
    cursor.execute(executing, values)


def _prepare(wrapper: Any, cursor: CursorWrapper, name: str, preparing: str) -> None:
    """Until it is over nobody knows what the server has: a task's time limit may come between its answer and here."""
    owner, known = wrapper.prepared_by_loginwatch
    wrapper.prepared_by_loginwatch = (owner, None)
    cursor.execute(preparing)
    wrapper.prepared_by_loginwatch = (owner, known | {name})


@functools.cache
def _prepared_form(statement: str) -> tuple[str, str, str]:
    """The statement's name, the one that prepares it, and the one that executes it."""
    names = list(dict.fromkeys(PLACE.findall(statement)))
    name = f"loginwatch_{hashlib.sha256(statement.encode()).hexdigest()[:16]}"
    numbered = PLACE.sub(lambda place: f"${names.index(place[1]) + 1}", statement)
    arguments = f"({', '.join(f'%({each})s' for each in names)})" if names else ""
    return name, f"PREPARE {name} AS {numbered}", f"EXECUTE {name} {arguments}"


def _known_to(wrapper: Any, cursor: CursorWrapper) -> frozenset[str]:
    """The names of the statements that the connection to the server has prepared; a new one knows none."""
    owner, known = getattr(wrapper, "prepared_by_loginwatch", (None, None))
    if owner is wrapper.connection and known is not None:
        return cast("frozenset[str]", known)
    found: frozenset[str] = frozenset()
    if owner is wrapper.connection:
        cursor.execute("SELECT name FROM pg_prepared_statements")
        found = frozenset(name for (name,) in cursor.fetchall())
    wrapper.prepared_by_loginwatch = (wrapper.connection, found)
    return found


def in_database_form(model: type[Model], values: dict[str, Any]) -> dict[str, Any]:
    """Values of the model's fields as the database's driver takes them; two of one field are told apart by a suffix."""
    field = model._meta.get_field
    return {name: field(name.partition("__")[0]).get_db_prep_save(value, connection) for name, value in values.items()}  # type: ignore[union-attr]


def columns(model: type[Model], alias: str) -> str:
    """The model's columns as ``read`` expects them, of the table that the statement calls ``alias``."""
    return ", ".join(f"{alias}.{field.column}" for field in _fields(model))


def read(row: Sequence[Any], *models: type[Model]) -> list[Model]:
    """Instances of ``models``, whose ``columns`` the row holds one after the other."""
    instances = []
    at = 0
    for model in models:
        names, converters = _reader(model)
        values = list(row[at : at + len(names)])
        for index, convert in converters:
            values[index] = convert(values[index])
        instances.append(model.from_db(DEFAULT_DB_ALIAS, names, values))
        at += len(names)
    return instances


def _fields(model: type[Model]) -> Fields:
    return model._meta.concrete_fields


@functools.cache
def _reader(model: type[Model]) -> tuple[list[str], list[tuple[int, Callable[[Any], Any]]]]:
    """The names of the model's fields, and what turns a column's value into the field's, where that is not the same."""
    fields = _fields(model)
    converters = [(index, _converter(field)) for index, field in enumerate(fields)]
    return [field.attname for field in fields], [(index, found) for index, found in converters if found]


def _converter(field: Field[Any, Any]) -> Callable[[Any], Any] | None:
    """What Django does with the value of a column that it reads, all in one."""
    column = field.get_col(field.model._meta.db_table)
    steps = [*connection.ops.get_db_converters(column), *field.get_db_converters(connection)]

    def convert(value: Any) -> Any:
        for step in steps:
            value = step(value, column, connection)
        return value

    return convert if steps else None
