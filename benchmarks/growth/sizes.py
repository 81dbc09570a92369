"""How much of the disk tables take, and for how many sign-ins there is room."""

from __future__ import annotations

import shutil
import tempfile
from typing import Any

from benchmarks.growth.copies import TABLES
from benchmarks.growth.sql import Database

GB = 2**30
# Bytes that stay free, beside those for the sort behind the widest index; and seconds that filling may take.
ROOM, SORTS = 12 * GB, 2 * GB
PATIENCE = 35 * 60.0
# No site of another number than a multiple of so many sign-ins.
STEP = 100_000
SIZES = """
    SELECT c.relname::text, c.reltuples::bigint, pg_table_size(c.oid), pg_indexes_size(c.oid),
        (SELECT count(*) FROM pg_index WHERE indrelid = c.oid)
    FROM pg_class c WHERE c.oid = ANY(%(tables)s::regclass[]) ORDER BY pg_total_relation_size(c.oid) DESC"""
COLUMNS = ("name", "rows", "heap", "indexes", "count_of_indexes")


def sizes(url: str) -> list[dict[str, Any]]:
    """COLUMNS of the tables that grow with sign-ins, the largest first: bytes, and rows as estimated."""
    with Database(url) as database:
        return [dict(zip(COLUMNS, row, strict=True)) for row in database.rows(SIZES, {"tables": list(TABLES)})]


def free() -> int:
    """Bytes, where private servers have their data."""
    return shutil.disk_usage(tempfile.gettempdir()).free


def most_sign_ins(wanted: int, trial: dict[str, Any]) -> int:
    """``wanted``, or as many as there are room and time for, each like those of ``trial``."""
    room = (free() - ROOM - SORTS) * trial["sign_ins"] / trial["bytes"]
    patience = PATIENCE * trial["sign_ins"] / trial["seconds"]
    return min(wanted, int(min(room, patience) // STEP) * STEP)
