"""The rows in which django-celery-results keeps what tasks returned, by one statement each."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection
from typing import Any

from celery import states
from django.db import connection
from django_celery_results.models import TaskResult

from workflows import sql

TABLE = TaskResult._meta.db_table


def upsert(row: dict[str, Any]) -> None:
    """Write a task's result, given by its fields. Success is final: a late copy of the task does not overwrite it."""
    values = sql.prepared(TaskResult, row)
    with connection.cursor() as cursor:
        cursor.execute(_upserting(tuple(values)), [*values.values(), states.SUCCESS])


@functools.cache
def _upserting(columns: tuple[str, ...]) -> str:
    """A field of this table and its column are named alike."""
    changed = [f"{column} = excluded.{column}" for column in columns if column not in ("task_id", "date_created")]
    return (
        f"INSERT INTO {TABLE} ({', '.join(columns)}) VALUES ({_places(columns)}) "  # noqa: S608  names
        f"ON CONFLICT (task_id) DO UPDATE SET {', '.join(changed)} WHERE {TABLE}.status <> %s"
    )


def states_of(task_ids: Collection[str]) -> Counter[str]:
    """How many of these tasks' results are in each state; of tasks that have none yet nothing is counted."""
    statement = f"SELECT status, COUNT(*) FROM {TABLE} WHERE task_id IN ({_places(task_ids)}) GROUP BY status"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, list(task_ids))
        return Counter(dict(cursor.fetchall()))


def has_ended(task_id: str) -> bool:
    return bool(states.READY_STATES & states_of([task_id]).keys())


def reopen_failed(task_ids: Collection[str]) -> None:
    """Tasks that are published again under their ids: what an earlier copy failed with is not their end."""
    failures = states.READY_STATES - {states.SUCCESS}
    statement = (
        f"UPDATE {TABLE} SET status = %s "  # noqa: S608  names
        f"WHERE task_id IN ({_places(task_ids)}) AND status IN ({_places(failures)})"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [states.PENDING, *task_ids, *failures])


def _places(values: Collection[str]) -> str:
    return ", ".join(["%s"] * len(values))
