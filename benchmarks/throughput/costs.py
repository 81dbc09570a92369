"""What a workflow costs beside time: statements, commits, bytes of log, messages, and the processor's time.

Counted by the servers themselves, so by the same measure for all, however a contestant speaks to them. Statements and
commits need two extensions that come with PostgreSQL; where they are missing, those two are not counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psutil  # type: ignore[import-untyped]  # it has no types
import psycopg2  # type: ignore[import-untyped]  # it has no types
import redis

from benchmarks import usage
from benchmarks.throughput.lab import Database, Lab
from benchmarks.throughput.turns import Costs
from loginwatch.chaos.postgresql import private_server

EXTENSIONS = {"pg_stat_statements", "pg_walinspect"}
SET_UP = [
    # No checkpoint in a turn: it would take from it, and recycle the log in which its commits are counted.
    "ALTER SYSTEM SET checkpoint_timeout = '1d'",
    "ALTER SYSTEM SET max_wal_size = '16GB'",
    "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'",
]
# What the library adds can be set once it is loaded. BEGIN, COMMIT and savepoints are not counted as statements.
SET_UP_LOADED = [
    *(f"CREATE EXTENSION {name}" for name in sorted(EXTENSIONS)),
    "ALTER SYSTEM SET pg_stat_statements.track_utility = off",
    "SELECT pg_reload_conf()",
]
# Nor what PostgreSQL asks itself, for a foreign key.
STATEMENTS = f"""\
SELECT sum(calls) FROM pg_stat_statements
WHERE dbid = %s AND query NOT LIKE '%%{Database.MARK}' AND query NOT LIKE 'SELECT %% FROM ONLY %%'"""  # noqa: S608  our own
WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
# What has not been handed to the disk yet cannot be looked through; a commit has.
COMMITS = """\
SELECT count FROM pg_get_wal_stats(
    '0/0'::pg_lsn + %s::numeric, least('0/0'::pg_lsn + %s::numeric, pg_current_wal_flush_lsn()), true
) WHERE "resource_manager/record_type" = 'Transaction/COMMIT'"""
PUSHES = ("cmdstat_lpush", "cmdstat_rpush")


@contextmanager
def counting_postgresql() -> Iterator[str]:
    """The URL of a private server's database that has EXTENSIONS, where the machine's PostgreSQL has them."""
    with private_server() as server:
        if _available(server.url) >= EXTENSIONS:
            _do(server.url, SET_UP)
            server.restart()
            _do(server.url, SET_UP_LOADED)
        yield server.url


def _available(url: str) -> set[str]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_available_extensions")
        return {name for (name,) in cursor.fetchall()}


def _do(url: str, statements: Iterable[str]) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


class Counters:
    """Reads the counters of PostgreSQL, the broker, and the kernel. Times are in milliseconds."""

    def __init__(self, lab: Lab) -> None:
        self._connection = psycopg2.connect(lab.postgresql)
        self._connection.autocommit = True
        self._redis = redis.Redis.from_url(lab.variables["REDIS_URL"])
        self._broker = lab.broker
        self._postmaster = psutil.Process(self._connection.info.backend_pid).ppid()
        self._counts_statements = bool(self._ask("SELECT 1 FROM pg_extension WHERE extname = 'pg_stat_statements'"))

    def close(self) -> None:
        self._connection.close()
        self._redis.close()

    def read(self, database: Database, parents: Sequence[int]) -> Costs:
        counted = {**self._times(parents), **self._messages(), "wal": float(self._ask(WAL)[0][0])}
        if self._counts_statements:
            counted["statements"] = float(self._ask(STATEMENTS, database.number())[0][0])
        return counted

    def between(self, before: Costs, after: Costs, *, workflows: int) -> Costs:
        counted = {name: after[name] - before[name] for name in after}
        if self._counts_statements:
            commits = self._ask(COMMITS, before["wal"], after["wal"])
            counted["commits"] = float(commits[0][0])
        return {name: count / workflows for name, count in counted.items()}

    def _times(self, parents: Sequence[int]) -> dict[str, float]:
        """All of this benchmark are its children, but for PostgreSQL: the rest of the machine's work is others'."""
        assert self._broker.process is not None  # noqa: S101  it runs
        parts = {"postgresql": self._postmaster, "redis": self._broker.process.pid, "all": os.getpid()}
        spent = usage.processor({**parts, **{f"worker {pid}": pid for pid in parents}})
        own = sum(_own(pid) for pid in parents)
        seconds = {
            "cpu_parents": own,
            "cpu_children": sum(spent[f"worker {pid}"] for pid in parents) - own,
            "cpu_postgresql": spent["postgresql"],
            "cpu_redis": spent["redis"],
            "others": usage.machine() - spent["all"] - spent["postgresql"],
            "elapsed": time.monotonic(),
        }
        return {name: 1000 * value for name, value in seconds.items()}

    def _messages(self) -> dict[str, float]:
        """What was put at the end of a list, and commands of any kind."""
        stats = {
            name: stat["calls"] for name, stat in self._redis.info("commandstats").items() if name != "cmdstat_info"
        }
        return {
            "messages": float(sum(stats.get(name, 0) for name in PUSHES)),
            "commands": float(sum(stats.values())),
        }

    def _ask(self, statement: str, *values: float) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows


def _own(pid: int) -> float:
    """Seconds that the process has had, without its children."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
