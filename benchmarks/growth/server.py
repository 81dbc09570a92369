"""A private PostgreSQL server for much data: as one of this machine's size is set up, and quick to fill."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.growth.sql import Database, url_of
from loginwatch.chaos.postgresql import private_server

MEMORY_GB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
SETTINGS = {
    # A quarter of the memory, as PostgreSQL's manual advises; the rest caches files.
    "shared_buffers": f"{MEMORY_GB / 4:.0f}GB",
    "effective_cache_size": f"{MEMORY_GB / 2:.0f}GB",
    "random_page_cost": "1.1",
    # For filling: tables that are filled in the transaction that empties them are not logged, and sorts fit.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "maintenance_work_mem": "1GB",
    "autovacuum": "off",
}
# Once the tables are full.
AT_WORK = {"autovacuum": "on", "maintenance_work_mem": "256MB"}


@contextmanager
def big_server() -> Iterator[str]:
    """Yields its URL; it ends with the block, and its data with it."""
    with private_server() as server:
        set_up(server.url, SETTINGS)
        server.restart()
        yield server.url


def set_up(server: str, settings: dict[str, str]) -> None:
    with Database(server) as database:
        for name, value in settings.items():
            database.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        database.value("SELECT pg_reload_conf()")


def copy_database(server: str, name: str, *, template: str) -> str:
    """The URL of a new database that has all that ``template`` has."""
    with Database(url_of(server, "template1")) as database:
        database.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return url_of(server, name)


def drop_database(server: str, name: str) -> None:
    with Database(url_of(server, "template1")) as database:
        database.execute(f"DROP DATABASE {name} WITH (FORCE)")
