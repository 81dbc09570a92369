"""What all contestants run on: one PostgreSQL, one broker, one risk service, and a database that is new each turn."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg2  # type: ignore[import-untyped]  # it has no types
import redis

from benchmarks.throughput.risk import READY
from loginwatch.chaos.listening import spare_port
from tests import servers
from tests.environment import SCRATCH

NAME = f"throughput_{os.getpid()}"
TEMPLATE = f"{NAME}_template"

# Of which rows there have to be as many as of which others, once all workflows are done. People sign in (people.py)
# with a user agent, and with a telephone where that is new and worth a mail; what was before has none.
SIGN_INS = "accounts_signin WHERE user_agent <> ''"
TRACES = {
    "accounts_verdict": SIGN_INS,
    "accounts_securityevent WHERE kind = 'signed_in'": SIGN_INS,
    "accounts_signin WHERE device_id IS NOT NULL AND browser <> ''": SIGN_INS,
    "accounts_notice WHERE state = 'sent'": "accounts_signin WHERE user_agent LIKE '%iPhone%'",
}


class Database:
    """The database of a turn at ``url``, looked at from outside Django.

    Each question carries a mark, by which it is left out where statements are counted.
    """

    MARK = "/* from outside */"

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True

    def close(self) -> None:
        self._connection.close()

    def verdicts(self) -> int:
        return self._count("accounts_verdict")

    def missing(self) -> dict[str, int]:
        """How many rows there are too few of, by what they are."""
        missing = {rows: self._count(others) - self._count(rows) for rows, others in TRACES.items()}
        return {rows: count for rows, count in missing.items() if count}

    def are_others_active(self) -> bool:
        """Whether PostgreSQL is at a statement of another connection."""
        return self._of_others("state = 'active'")

    def have_others_written(self) -> bool:
        """Whether another connection is in a transaction that has written, and so holds locks."""
        return self._of_others("backend_xid IS NOT NULL")

    def _of_others(self, condition: str) -> bool:
        others = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return bool(self.ask(f"SELECT EXISTS ({others} AND {condition})")[0][0])

    def rename_people(self) -> None:
        """So that people of the same names can be made."""
        self.ask("UPDATE accounts_user SET username = 'once-' || id, email = 'once-' || email RETURNING 1")

    def number(self) -> int:
        return int(self.ask("SELECT oid FROM pg_database WHERE datname = current_database()")[0][0])

    def _count(self, rows: str) -> int:
        return int(self.ask(f"SELECT count(*) FROM {rows} {self.MARK}")[0][0])  # noqa: S608  our own names

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows


@dataclass(frozen=True)
class Lab:
    """``postgresql`` is the URL of a database of the server; ``variables`` are what every process is told."""

    postgresql: str
    broker: servers.Server
    variables: Mapping[str, str]

    @contextmanager
    def database(self) -> Iterator[Database]:
        """A new one, with the site's tables, all empty; the broker is empty too."""
        self.wipe_broker()
        with _database(self.postgresql, NAME, template=TEMPLATE) as url, closing(Database(url)) as database:
            yield database

    def wipe_broker(self) -> None:
        with closing(redis.Redis.from_url(self.variables["REDIS_URL"])) as client:
            client.flushall()


@contextmanager
def laboratory(postgresql: str) -> Iterator[Lab]:
    """A broker and a risk service beside the PostgreSQL server that has the database at ``postgresql``."""
    ports = {"broker": spare_port(), "risk": spare_port()}
    broker = servers.broker(port=ports["broker"], folder=SCRATCH)
    risk = servers.Server(
        sys.executable, "-m", "benchmarks.throughput.risk", str(ports["risk"]), log=SCRATCH / "risk.log"
    )
    variables = _variables(**ports)
    with (
        servers.running(broker, says=servers.BROKER_IS_READY),
        servers.running(risk, says=READY),
        _database(postgresql, TEMPLATE) as template,
    ):
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        env = {**os.environ, **variables, "DATABASE_URL": template, "DJANGO_SETTINGS_MODULE": "loginwatch.settings"}
        subprocess.run(migrate, cwd=servers.CHECKOUT, env=env, check=True)  # noqa: S603  our own command
        yield Lab(postgresql, broker, variables)


def _variables(*, broker: int, risk: int) -> dict[str, str]:
    """Beside the environment of the tests: to work as in production, with mails that nobody sends."""
    url = f"redis://127.0.0.1:{broker}/0"
    return {
        "DEBUG": "0",
        "SITE_URL": "https://testserver",
        "REDIS_URL": url,
        "CELERY_BROKER_URL": url,
        "RISK_API_URL": f"http://127.0.0.1:{risk}",
        "RISK_API_SECRET": "whsec_b25seS1mb3ItdGhlLWJlbmNobWFyay1ub3QtYS1zZWNyZXQ=",
        "EMAIL_URL": "dummymail://",
    }


@contextmanager
def _database(server: str, name: str, *, template: str = "template1") -> Iterator[str]:
    """The URL of a new database, until the block ends."""
    parts = urlsplit(server)
    with closing(psycopg2.connect(server)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
            try:
                yield parts._replace(path=f"/{name}").geturl()
            finally:
                cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
