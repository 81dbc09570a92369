"""Indexes and constraints that are taken off tables while they are filled, and put back as they were."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from benchmarks.growth.sql import Database

# Foreign keys first, since they hold the others.
CONSTRAINTS = """
    SELECT conrelid::regclass::text, contype::text, conname::text, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype IN ('p', 'u', 'f')
        AND (conrelid::regclass::text = ANY(%(tables)s) OR confrelid::regclass::text = ANY(%(tables)s))
    ORDER BY contype <> 'f', 1, 3"""
# But for partial ones, which stay: few rows are in them, and their conditions are not read back as they were written.
INDEXES = """
    SELECT indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid::regclass::text = ANY(%(tables)s) AND indpred IS NULL
        AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
    ORDER BY 1, 2"""
FOREIGN_KEY = "f"


class NotAsItWas(Exception):
    """The tables have other indexes or constraints than before they were filled."""


@dataclass(frozen=True)
class Schema:
    """``constraints``: table, kind, name and definition. ``indexes`` beside them: table, name and statement."""

    tables: Collection[str]
    constraints: list[tuple[str, ...]]
    indexes: list[tuple[str, ...]]

    @classmethod
    def of(cls, database: Database, tables: Collection[str]) -> Schema:
        names = {"tables": list(tables)}
        return cls(tables, database.rows(CONSTRAINTS, names), database.rows(INDEXES, names))

    def take_off(self, database: Database) -> None:
        for table, _, name, _ in self.constraints:
            database.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        for _, name, _ in self.indexes:
            database.execute(f'DROP INDEX "{name}"')

    def put_back_indexes(self, database: Database, table: str) -> None:
        """With the keys, but for the foreign ones: those need the other tables'."""
        for owner, kind, name, definition in self.constraints:
            if owner == table and kind != FOREIGN_KEY:
                database.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
        for owner, _, statement in self.indexes:
            if owner == table:
                database.execute(statement)

    def put_back_foreign_keys(self, database: Database) -> None:
        """Raises NotAsItWas where anything is missing then."""
        for table, kind, name, definition in self.constraints:
            if kind == FOREIGN_KEY:
                database.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
        if Schema.of(database, self.tables) != self:
            raise NotAsItWas(", ".join(self.tables))
