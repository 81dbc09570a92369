"""Rows that go into the database many thousands at a time: by COPY into PostgreSQL, else by executemany."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from typing import Any, TypeAlias

from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import AutoField, Field, JSONField, Max, Model

# Rows of one table that are kept before they are written.
BATCH = 20_000
Line: TypeAlias = tuple[Any, ...]


class Rows:
    """``add`` rows, ``flush_where_many`` now and then, ``flush`` at the end. Keys go on from those that are there."""

    def __init__(self, models: list[type[Model]]) -> None:
        """``models`` in the order in which they are written: what rows point to comes first, or is not checked yet."""
        self._makers = {model: _Maker(model) for model in models}
        self._waiting: defaultdict[type[Model], list[Line]] = defaultdict(list)
        self.counted: dict[type[Model], int] = dict.fromkeys(models, 0)

    def next_id(self, model: type[Model]) -> int:
        """The key that the next row of the model will have."""
        return self._makers[model].next_id

    def add(self, model: type[Model], **values: Any) -> int:
        """A row with these values, by the names of its fields, and the fields' defaults; returns its key, 0 for text.

        JSON is given as text, moments as datetimes in UTC.
        """
        key, line = self._makers[model].make(values)
        self._waiting[model].append(line)
        return key

    def flush_where_many(self) -> None:
        """To be called where all rows are added that point to each other."""
        if any(len(lines) >= BATCH for lines in self._waiting.values()):
            self.flush()

    def flush(self) -> None:
        """Write what waits, of all tables at once."""
        with transaction.atomic():
            for model, maker in self._makers.items():
                if lines := self._waiting.pop(model, None):
                    maker.write(lines)
                    self.counted[model] += len(lines)

    def set_sequences(self) -> None:
        """Keys that the database gives from now on follow those of the rows written."""
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), list(self._makers)):
                cursor.execute(statement)


class _Maker:
    def __init__(self, model: type[Model]) -> None:
        fields = model._meta.concrete_fields
        self._table = model._meta.db_table
        self._columns = [str(field.column) for field in fields]
        self._names = [field.name for field in fields]
        # BigAutoField counts as one.
        self._has_key = isinstance(model._meta.pk, AutoField)
        self._defaults = [_default_of(field) for field in fields]
        # SQLite keeps identifiers without their hyphens.
        self._identifiers = {
            at for at, field in enumerate(fields) if field.db_type(connection) == "char(32)" and field.name != "name"
        }
        if self._has_key:
            newest = model._default_manager.aggregate(newest=Max("pk"))["newest"] or 0
            self.next_id = newest + 1
        self._key_at = self._names.index(model._meta.pk.name)

    def make(self, values: dict[str, Any]) -> tuple[int, Line]:
        line = [values.pop(name, default) for name, default in zip(self._names, self._defaults, strict=True)]
        if values:
            raise TypeError(f"{self._table} has no {', '.join(values)}")
        if not self._has_key:
            return 0, tuple(line)
        key = self.next_id
        self.next_id += 1
        line[self._key_at] = key
        return key, tuple(line)

    def write(self, lines: list[Line]) -> None:
        columns = ", ".join(f'"{column}"' for column in self._columns)
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                text = StringIO("".join(map(_text, lines)))
                cursor.copy_expert(f"COPY {self._table} ({columns}) FROM STDIN", text)
            else:
                places = ", ".join(["%s"] * len(self._columns))
                statement = f"INSERT INTO {self._table} ({columns}) VALUES ({places})"  # noqa: S608  names
                cursor.executemany(statement, [self._adapted(line) for line in lines])

    def _adapted(self, line: Line) -> Line:
        """As Django has SQLite keep it: moments as text without their zone."""
        return tuple(
            value.replace("-", "")
            if at in self._identifiers and value
            else str(value.astimezone(UTC).replace(tzinfo=None))
            if isinstance(value, datetime)
            else value
            for at, value in enumerate(line)
        )


def _default_of(field: Field[Any, Any]) -> Any:
    if field.primary_key:
        return None
    default = field.get_default()
    return json.dumps(default) if isinstance(field, JSONField) and default is not None else default


def _text(line: Line) -> str:
    """A line of COPY's text format. What is simulated has no tabs, line ends or backslashes but those of JSON."""
    return "\t".join([_FORMS.get(type(value), str)(value) for value in line]) + "\n"


def _plain(text: str) -> str:
    return text.replace("\\", "\\\\") if "\\" in text else text


_FORMS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: r"\N",
    bool: lambda value: "t" if value else "f",
    str: _plain,
    datetime: datetime.isoformat,
}
