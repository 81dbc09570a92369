"""What PostgreSQL touched to answer each statement: every one is explained, with its values, just before it is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

# A table with more rows than these grows with the site. The filled ones have 20,000 and more.
BIG = 10_000
EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE")
EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "


@dataclass(frozen=True)
class Statement:
    """A statement with its plan, as EXPLAIN gives it in JSON."""

    sql: str
    plan: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.rows:.0f} rows, {self.buffers} blocks, {self.sql}\n{json.dumps(self.plan, indent=2)}"

    @property
    def nodes(self) -> list[dict[str, Any]]:
        return list(_nodes(self.plan))

    @property
    def scanned(self) -> set[str]:
        """The tables that were read from one end to the other."""
        return {
            node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan" and node["Actual Loops"]
        }

    @property
    def indexes(self) -> set[str]:
        """Those that were used."""
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}

    @property
    def buffers(self) -> int:
        """Blocks of 8 kB that were looked at, each as often as it was."""
        return int(self.plan["Shared Hit Blocks"] + self.plan["Shared Read Blocks"])

    @property
    def rows(self) -> float:
        """Rows that were read from tables and indexes, those that were then found not to be wanted too."""
        return sum(_rows_of(node) for node in self.nodes if "Scan" in node["Node Type"])


@contextmanager
def explained() -> Iterator[list[Statement]]:
    """Yields the statements that are run in the block, to which each is added; call it in a transaction."""
    statements: list[Statement] = []

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.lstrip().upper().startswith(EXPLAINED):
            statements.append(Statement(sql, _explain(sql, params)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield statements


def assert_touched(statements: list[Statement], *, rows: int, buffers: int) -> None:
    """That there are statements, none read a big table from end to end, nor touched more rows or blocks than these."""
    big = big_tables()
    assert statements
    for statement in statements:
        assert not statement.scanned & big, statement
        assert statement.rows <= rows, statement
        assert statement.buffers <= buffers, statement


def big_tables() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > %s", [BIG])
        return {name for (name,) in cursor.fetchall()}


def _explain(sql: str, params: Any) -> dict[str, Any]:
    """Its plan; what it wrote is taken back. By a cursor of the driver's: Django's may be one of the server."""
    with connection.connection.cursor() as cursor:
        cursor.execute("SAVEPOINT explained")
        cursor.execute(EXPLAIN + sql, params)
        ((answer,),) = cursor.fetchone()
        cursor.execute("ROLLBACK TO SAVEPOINT explained")
    plan: dict[str, Any] = answer["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _rows_of(node: dict[str, Any]) -> float:
    removed = sum(value for name, value in node.items() if name.startswith("Rows Removed by"))
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])
