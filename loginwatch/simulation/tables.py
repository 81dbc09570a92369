"""Lines that go into a table many thousands at a time: by COPY into PostgreSQL, else by executemany."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Field, JSONField, Model

Line = Any


class Block(NamedTuple):
    """``rows`` of one table as lines, as ``Table.write`` takes them; it may come from another process."""

    rows: int
    lines: Any


class Table:
    """A model's table. A line of values has the fields' defaults for those that are not given.

    JSON is given as text, and moments in UTC without their zone: so SQLite keeps them, and PostgreSQL is told by Django
    that such are in UTC.
    """

    def __init__(self, model: type[Model]) -> None:
        fields = model._meta.concrete_fields
        self._name = model._meta.db_table
        self._columns = ", ".join(f'"{field.column}"' for field in fields)
        self._defaults = {field.name: _default_of(field) for field in fields}

    def line(self, values: dict[str, Any]) -> Line:
        """``values`` by the names of fields."""
        raise NotImplementedError

    def block(self, lines: list[Line]) -> Block:
        raise NotImplementedError

    def write(self, block: Block) -> None:
        raise NotImplementedError

    def _refuse_unknown(self, names: Iterable[str]) -> None:
        if unknown := set(names) - self._defaults.keys():
            raise TypeError(f"{self._name} has no {', '.join(unknown)}")


class _Copied(Table):
    """In COPY's text format. What is simulated has no tabs, line ends or backslashes.

    Of each set of fields that are given, the line is written once with the others' defaults.
    """

    def __init__(self, model: type[Model]) -> None:
        super().__init__(model)
        self._forms: dict[tuple[str, ...], str] = {}

    def line(self, values: dict[str, Any]) -> Line:
        names = tuple(values)
        form = self._forms.get(names)
        if form is None:
            form = self._forms[names] = self._form_of(names)
        return form % values

    def block(self, lines: list[Line]) -> Block:
        return Block(len(lines), "".join(lines).encode())

    def write(self, block: Block) -> None:
        with connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {self._name} ({self._columns}) FROM STDIN", BytesIO(block.lines), 1 << 20)

    def _form_of(self, names: tuple[str, ...]) -> str:
        self._refuse_unknown(names)
        defaults = {
            name: r"\N" if value is None else str(value).replace("%", "%%") for name, value in self._defaults.items()
        }
        return "\t".join((defaults | {name: f"%({name})s" for name in names}).values()) + "\n"


class _Inserted(Table):
    """As Django has SQLite keep it: moments as text, identifiers without their hyphens."""

    def __init__(self, model: type[Model]) -> None:
        super().__init__(model)
        fields = model._meta.concrete_fields
        self._identifiers = {at for at, field in enumerate(fields) if field.db_type(connection) == "char(32)"}

    def line(self, values: dict[str, Any]) -> Line:
        self._refuse_unknown(values)
        return tuple(
            value.replace("-", "")
            if at in self._identifiers and value
            else str(value)
            if isinstance(value, datetime)
            else value
            for at, value in enumerate((self._defaults | values).values())
        )

    def block(self, lines: list[Line]) -> Block:
        return Block(len(lines), lines)

    def write(self, block: Block) -> None:
        places = ", ".join(["%s"] * len(self._defaults))
        with connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {self._name} ({self._columns}) VALUES ({places})", block.lines)  # noqa: S608


@cache
def table_of(model: type[Model]) -> Table:
    return _Copied(model) if connection.vendor == "postgresql" else _Inserted(model)


def _default_of(field: Field[Any, Any]) -> Any:
    if field.primary_key:
        return None
    default = field.get_default()
    return json.dumps(default) if isinstance(field, JSONField) and default is not None else default
