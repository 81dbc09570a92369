"""What the service remembers, in one SQLite file: answers by idempotency key, and what each subject used."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from riskapi.rule import History

# Under the five seconds or so that a caller waits: it hears 503 and "try again" instead of nothing.
BUSY_SECONDS = 2.0

# Written to the file's user_version; a store of another number is not opened.
STORE_VERSION = 1

TABLES = """
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS answer (
        key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, body TEXT NOT NULL, made_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS used (
        subject TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL,
        first_at TEXT NOT NULL, last_at TEXT NOT NULL,
        PRIMARY KEY (subject, kind, value)
    ) WITHOUT ROWID;
"""
REMEMBER = """
    INSERT INTO used (subject, kind, value, first_at, last_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET last_at = excluded.last_at
"""


class StoreError(Exception):
    """The file cannot be opened as this service's store; the message says why."""


@dataclass(frozen=True)
class Question:
    """What one request is to the store: `fingerprint` tells two requests with one key apart."""

    key: str
    fingerprint: str
    subject: str
    network: str | None
    country: str | None


@dataclass(frozen=True)
class Made:
    """A new answer: the response body, whether it teaches the history, and its time (RFC 3339)."""

    body: str
    learn: bool
    at: str


@dataclass(frozen=True)
class Answer:
    """The answer that stands for a key. `fingerprint` is of the request that it was made for."""

    body: str
    fingerprint: str
    replayed: bool


class Store:
    """Opened connections wait in a pool, one for each thread that was busy at once."""

    def __init__(self, path: Path) -> None:
        """Open the file, make it and its folder when missing. Raises StoreError."""
        self._address = path.absolute().as_uri()
        self._idle: list[sqlite3.Connection] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Closed again at once: a connection must not be carried into a forked worker.
            with closing(self._connect("rwc")) as connection:
                _prepare(connection)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{path} cannot be used as the store: {error}") from error

    def answer_once(self, question: Question, make: Callable[[History], Made]) -> Answer:
        """The answer to a key: the one that was given before, or the one that `make` makes now.

        `make` gets the subject's history. Looking the key up, reading the history, and writing the answer
        and what it teaches are one transaction that holds the write lock from its start, so one key never
        gets two answers and no answer sees history of its own. Raises sqlite3.OperationalError when the
        file stays locked for BUSY_SECONDS or cannot be written.
        """
        with self._transaction() as connection:
            stored = connection.execute(
                "SELECT body, fingerprint FROM answer WHERE key = ?", (question.key,)
            ).fetchone()
            if stored is not None:
                return Answer(body=stored[0], fingerprint=stored[1], replayed=True)
            made = make(_history(connection, question.subject))
            _write(connection, question, made)
        return Answer(body=made.body, fingerprint=question.fingerprint, replayed=False)

    def check(self) -> None:
        """Raise sqlite3.Error unless the file at the path answers; a pooled connection would not notice it gone."""
        with closing(self._connect("rw")) as connection:
            connection.execute("SELECT 1 FROM answer LIMIT 1").fetchone()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self._address}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection that holds the write lock; one that failed is closed, which rolls back, and not reused."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect("rw")
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables in a new file; raise sqlite3.DatabaseError for a file that is not this program's."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version != STORE_VERSION and (version or tables):
        raise sqlite3.DatabaseError("it is another program's database, or one of another version of this program")
    # WAL: readers and the writer do not wait for each other. SQLite's default, synchronous=FULL, stays: an
    # answer that was sent survives a power cut.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(f"{TABLES} PRAGMA user_version = {STORE_VERSION}; COMMIT;")


def _history(connection: sqlite3.Connection, subject: str) -> History:
    used: dict[str, set[str]] = {"network": set(), "country": set()}
    for kind, value in connection.execute("SELECT kind, value FROM used WHERE subject = ?", (subject,)):
        used[kind].add(value)
    return History(networks=frozenset(used["network"]), countries=frozenset(used["country"]))


def _write(connection: sqlite3.Connection, question: Question, made: Made) -> None:
    connection.execute(
        "INSERT INTO answer (key, fingerprint, body, made_at) VALUES (?, ?, ?, ?)",
        (question.key, question.fingerprint, made.body, made.at),
    )
    if not made.learn:
        return
    for kind, value in (("network", question.network), ("country", question.country)):
        if value is not None:
            connection.execute(REMEMBER, (question.subject, kind, value, made.at, made.at))
