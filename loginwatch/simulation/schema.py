"""Indexes and constraints that are taken off PostgreSQL's tables while they are filled, and put back as they were."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

# Foreign keys first, since they hold the others.
CONSTRAINTS = """
    SELECT conrelid::regclass::text, contype::text, conname::text, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype IN ('p', 'u', 'f')
        AND (conrelid::regclass::text = ANY(%(tables)s) OR confrelid::regclass::text = ANY(%(tables)s))
    ORDER BY contype <> 'f', 1, 3"""
# But for those of a list of states, which stay: few rows are in them, and the list is not read back as it was written.
INDEXES = """
    SELECT indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid::regclass::text = ANY(%(tables)s)
        AND position('ARRAY' IN coalesce(pg_get_expr(indpred, indrelid), '')) = 0
        AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
    ORDER BY 1, 2"""
FOREIGN_KEY = "f"


class Cursor(Protocol):
    """Of psycopg or of Django."""

    def execute(self, statement: str, values: Any = None, /) -> Any: ...

    def fetchall(self) -> list[tuple[Any, ...]]: ...


class NotAsItWas(Exception):
    """The tables have other indexes or constraints than before they were filled."""


@dataclass(frozen=True)
class Schema:
    """``constraints``: table, kind, name and definition. ``indexes`` beside them: table, name and statement."""

    tables: Collection[str]
    constraints: list[tuple[str, ...]]
    indexes: list[tuple[str, ...]]

    @classmethod
    def of(cls, cursor: Cursor, tables: Collection[str]) -> Schema:
        cursor.execute(CONSTRAINTS, {"tables": list(tables)})
        constraints = cursor.fetchall()
        cursor.execute(INDEXES, {"tables": list(tables)})
        return cls(tables, constraints, cursor.fetchall())

    def take_off(self, cursor: Cursor) -> None:
        for table, _, name, _ in self.constraints:
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        for _, name, _ in self.indexes:
            cursor.execute(f'DROP INDEX "{name}"')

    def put_back_indexes(self, cursor: Cursor, table: str) -> None:
        """With the keys, but for the foreign ones: those need the other tables'."""
        for owner, kind, name, definition in self.constraints:
            if owner == table and kind != FOREIGN_KEY:
                cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
        for owner, _, statement in self.indexes:
            if owner == table:
                cursor.execute(statement)

    def put_back_foreign_keys(self, cursor: Cursor) -> None:
        """Raises NotAsItWas where anything is missing then."""
        for table, kind, name, definition in self.constraints:
            if kind == FOREIGN_KEY:
                cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
        if Schema.of(cursor, self.tables) != self:
            raise NotAsItWas(", ".join(self.tables))
