"""Workflows a second in a database that is there already, measured as in benchmarks/throughput."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields

from benchmarks.growth.sql import Database as Plain
from benchmarks.throughput.contestants import LOGINWATCH
from benchmarks.throughput.lab import Database, Lab
from benchmarks.throughput.turns import Costs, Turn, turn

# With full_page_writes each is logged as a whole when it is changed for the first time after a checkpoint.
PAGES = """
    SELECT count(DISTINCT page) FROM pg_get_wal_records_info('0/0'::pg_lsn + %(from)s, '0/0'::pg_lsn + %(to)s),
        LATERAL regexp_matches(block_ref, 'rel [^ ]+ fork main blk [0-9]+', 'g') AS page"""


class Standing(Database):
    """What it had when it was first looked at does not count."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._before = {table: self._last(table) for table in ("accounts_verdict", "accounts_user")}

    def verdicts(self) -> int:
        return self._count(f"accounts_verdict WHERE id > {self._before['accounts_verdict']}")

    def missing(self) -> dict[str, int]:
        unfinished = self._count("workflows_run WHERE state IN ('queued', 'running', 'retrying')")
        return {"workflows_run, ended": unfinished} if unfinished else {}

    def rename_people(self) -> None:
        last = self._before["accounts_user"]
        self.ask(
            "UPDATE accounts_user SET username = 'once-' || id, email = 'once-' || id || '-' || email "  # noqa: S608  a number
            f"WHERE id > {last} AND username LIKE 'person-%' RETURNING 1"
        )

    def _last(self, table: str) -> int:
        return int(self.ask(f"SELECT coalesce(max(id), 0) FROM {table}")[0][0])  # noqa: S608  our own names


@dataclass(frozen=True)
class StandingLab(Lab):
    """A laboratory whose every turn is in the database at ``url``."""

    url: str = ""

    @contextmanager
    def database(self) -> Iterator[Database]:
        self.wipe_broker()
        with closing(Standing(self.url)) as database:
            yield database
            database.rename_people()


class Log:
    """Counts bytes of PostgreSQL's log ahead, and the pages that they change where the server can tell."""

    def __init__(self, server: str) -> None:
        self._server = server

    def read(self, database: Database, parents: Sequence[int]) -> Costs:
        return {"log": float(database.ask("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")[0][0])}

    def between(self, before: Costs, after: Costs, *, workflows: int) -> Costs:
        counted = {"log": after["log"] - before["log"]}
        with Plain(self._server) as server:
            if server.rows("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_walinspect'"):
                server.execute("CREATE EXTENSION IF NOT EXISTS pg_walinspect")
                counted["pages"] = float(server.value(PAGES, {"from": int(before["log"]), "to": int(after["log"])}))
        return {name: count / workflows for name, count in counted.items()}


def turn_in(lab: Lab, url: str, *, workflows: int) -> Turn:
    """Raises turns.NoFigure."""
    standing = StandingLab(**{field.name: getattr(lab, field.name) for field in fields(lab)}, url=url)
    return turn(standing, LOGINWATCH, workflows=workflows, counter=Log(lab.postgresql))
