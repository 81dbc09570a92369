"""The rows in which django-celery-results keeps what tasks returned, by one statement each."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection
from typing import Any

from celery import states
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django_celery_results.models import TaskResult

from accounts import sql

TABLE = TaskResult._meta.db_table
FEW = 4


def upsert(row: dict[str, Any]) -> None:
    """Write a task's result, given by its fields. Success is final: a late copy of the task does not overwrite it."""
    with connection.cursor() as cursor:
        sql.run(cursor, _upserting(tuple(row)), sql.in_database_form(TaskResult, row))


@functools.cache
def _upserting(columns: tuple[str, ...]) -> str:
    """A field of this table and its column are named alike."""
    changed = [f"{column} = excluded.{column}" for column in columns if column not in ("task_id", "date_created")]
    return (
        f"INSERT INTO {TABLE} ({', '.join(columns)}) "  # noqa: S608  names
        f"VALUES ({', '.join(f'%({column})s' for column in columns)}) "
        f"ON CONFLICT (task_id) DO UPDATE SET {', '.join(changed)} WHERE {TABLE}.status <> '{states.SUCCESS}'"
    )


def states_of(task_ids: Collection[str]) -> Counter[str]:
    """How many of these tasks' results are in each state; of tasks that have none yet nothing is counted."""
    values = _numbered(task_ids)
    statement = f"SELECT status, COUNT(*) FROM {TABLE} WHERE task_id IN ({_places(values)}) GROUP BY status"  # noqa: S608
    with connection.cursor() as cursor:
        _run(cursor, statement, values)
        return Counter(dict(cursor.fetchall()))


def failed_of(task_ids: Collection[str]) -> list[str]:
    """Which of these tasks have failed, or were revoked."""
    failed = TaskResult.objects.filter(task_id__in=task_ids, status__in=states.PROPAGATE_STATES)
    return list(failed.order_by("task_id").values_list("task_id", flat=True))


def has_ended(task_id: str) -> bool:
    return bool(states.READY_STATES & states_of([task_id]).keys())


def reopen_failed(task_ids: Collection[str]) -> None:
    """Tasks that are published again under their ids: what an earlier copy failed with is not their end."""
    values = _numbered(task_ids)
    failures = ", ".join(f"'{state}'" for state in sorted(states.READY_STATES - {states.SUCCESS}))
    statement = (
        f"UPDATE {TABLE} SET status = '{states.PENDING}' "  # noqa: S608  names
        f"WHERE task_id IN ({_places(values)}) AND status IN ({failures})"
    )
    with connection.cursor() as cursor:
        _run(cursor, statement, values)


def _run(cursor: CursorWrapper, statement: str, values: dict[str, str]) -> None:
    """A group of two comes with each sign-in; one of a thousand is not worth being prepared."""
    if len(values) <= FEW:
        sql.run(cursor, statement, values)
    else:
        cursor.execute(statement, values)


def _numbered(task_ids: Collection[str]) -> dict[str, str]:
    return {f"id{number}": task_id for number, task_id in enumerate(task_ids)}


def _places(values: dict[str, str]) -> str:
    return ", ".join(f"%({name})s" for name in values)
