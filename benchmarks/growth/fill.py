"""Filling a site's database, which holds one person's history, with copies of it (copies.py).

Tables are filled without their indexes, which are put back afterwards.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from benchmarks.growth.copies import TABLES, Column, Site, copy_rows, make_template
from benchmarks.growth.sql import Database
from loginwatch.simulation.schema import Schema

SIGN_INS_A_PERSON = 50
# Over how many days the sign-ins are spread, up to now: no result of theirs has expired, and nothing is due.
DAYS = 29
# What so many people would have, one has alone; but not where there are no more.
OF_ONE = 200
# What is measured of that person is called so.
OF_BUSIEST = f", {OF_ONE * SIGN_INS_A_PERSON:,} sign-ins"
# The widest table beside all others: two at a time, on two cores.
WIDEST = "django_celery_results_taskresult"
LANES = ([WIDEST], [table for table in TABLES if table != WIDEST])
# Each page of copied steps has a gap into which one fits that is still waiting, so that the steps of a new run would go
# to five old pages. Where all were waiting once, there are none: pages as full as the copying leaves them stay closed.
STEPS, FULL = "workflows_step", 97

# Where one lane fails, or somebody interrupts, the others would go on for minutes.
END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


def site_of(sign_ins: int) -> Site:
    people = sign_ins // SIGN_INS_A_PERSON
    seconds = DAYS * 24 * 3600.0
    return Site(people, OF_ONE if people > OF_ONE else 0, time.time() - seconds, seconds / sign_ins)


def fill(url: str, site: Site) -> dict[str, float]:
    """Returns the seconds that each table's rows, indexes and vacuum took, and the foreign keys.

    Raises NotCopied where the site writes a table of which nothing here knows, NotAsItWas where an index is lost.
    """
    took: dict[str, float] = {}
    with Database(url) as database:
        columns = make_template(database, site.people)
        with database.cursor() as cursor:
            schema = Schema.of(cursor, list(TABLES))
            schema.take_off(cursor)
        with ThreadPoolExecutor(len(LANES)) as pool:
            lanes = [
                pool.submit(_fill_tables, url, schema, site, {table: columns[table] for table in tables}, took)
                for tables in LANES
            ]
            try:
                for lane in lanes:
                    lane.result()
            except BaseException:
                database.execute(END_OTHERS)
                raise
        with _timed(took, "foreign keys"), database.cursor() as cursor:
            schema.put_back_foreign_keys(cursor)
        database.execute("DROP SCHEMA template CASCADE")
    return took


def _fill_tables(url: str, schema: Schema, site: Site, tables: dict[str, list[Column]], took: dict[str, float]) -> None:
    with Database(url) as database:
        for table, columns in tables.items():
            with _timed(took, f"{table}: rows"):
                copy_rows(database, table, columns, site)
            with _timed(took, f"{table}: indexes"), database.cursor() as cursor:
                schema.put_back_indexes(cursor, table)
            with _timed(took, f"{table}: vacuum"):
                database.execute(f"VACUUM (ANALYZE) {table}")
        if STEPS in tables:
            database.execute(f"ALTER TABLE {STEPS} SET (fillfactor = {FULL})")


@contextmanager
def _timed(took: dict[str, float], what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    took[what] = time.monotonic() - began
    print(f"{what}: {took[what]:,.1f} s", file=sys.stderr, flush=True)
