"""Waiting for a condition, with a limit. No test sleeps for luck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import connection

T = TypeVar("T")

PATIENCE_SECONDS = 60.0


def wait_for(condition: Callable[[], T | None], what: str, *, seconds: float = PATIENCE_SECONDS) -> T:
    """The first value of ``condition`` that counts as true; fails after ``seconds``."""
    limit = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > limit:
            raise AssertionError(f"{what}: not within {seconds:g} seconds")
        time.sleep(0.02)


def somebody_waits_for_a_lock() -> bool:
    """On PostgreSQL."""
    with connection.cursor() as cursor:
        # Within a transaction the server shows its activity as it was at the first look.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])
