"""Rounds of workflows by each design in turn, on the database of this process; benchmarks/ledger.py starts it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import override_settings
from django.utils import timezone
from django_celery_results.backends import DatabaseBackend
from django_celery_results.models import TaskResult

from accounts.models import User
from benchmarks import ledger_designs
from benchmarks.ledger_designs import Workflow
from workflows.models import task_id_of
from workflows.steps import Name

DESIGNS: dict[str, Workflow] = {
    "step_rows": ledger_designs.step_rows,
    "step_rows_alone": ledger_designs.step_rows_alone,
    "result_rows": ledger_designs.result_rows,
    "result_rows_alone": ledger_designs.result_rows_alone,
    "no_ledger": ledger_designs.no_ledger,
}
TAKEN = OSError("another worker is at it")
WRITES = ("INSERT", "UPDATE", "DELETE")

Figures = dict[str, float]


class Counter:
    """Counts the statements that Django sends, and the transactions that wrote something.

    BEGIN and COMMIT are no statements here: on SQLite Django sends them itself, on PostgreSQL its driver does.
    """

    def __init__(self) -> None:
        self.statements = 0
        self.commits = 0
        self._in_writing_transaction = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not sql.startswith("BEGIN"):
            self.statements += 1
        if sql.startswith(WRITES):
            self._note_write()
        return execute(sql, params, many, context)

    def _note_write(self) -> None:
        if not connection.in_atomic_block:
            self.commits += 1
        elif not self._in_writing_transaction:
            self._in_writing_transaction = True
            transaction.on_commit(self._note_commit)

    def _note_commit(self) -> None:
        self._in_writing_transaction = False
        self.commits += 1


def rounds(user: User, *, count: int, workflows: int) -> dict[str, list[Figures]]:
    """``count`` rounds of ``workflows`` by each design, beginning with another one each time; the first is not kept."""
    names = list(DESIGNS)
    measured: dict[str, list[Figures]] = {name: [] for name in names}
    for number in range(count + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            measured[name].append(figures(DESIGNS[name], user, workflows))
    return {name: kept[1:] for name, kept in measured.items()}


def figures(workflow: Workflow, user: User, workflows: int) -> Figures:
    """A workflow's statements, commits, bytes of write-ahead log (0 where it cannot be asked) and milliseconds."""
    counter = Counter()
    wal, began = wal_position(), time.perf_counter()
    with connection.execute_wrapper(counter):
        for _ in range(workflows):
            workflow(user)
    seconds = time.perf_counter() - began
    counted = {"statements": counter.statements, "commits": counter.commits, "wal": wal_position() - wal}
    return {name: value / workflows for name, value in counted.items()} | {"ms": 1000 * seconds / workflows}


def wal_position() -> int:
    """Bytes that PostgreSQL has written to its log ahead; "insert" counts what it has not handed to the disk yet."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
        return int(cursor.fetchone()[0])


def what_result_rows_lose(user: User) -> dict[str, Any]:
    """What becomes of result rows as a ledger by what Celery and django-celery-results do as a matter of course."""
    return {
        "claimed_by_two": is_claimed_by_two(user),
        "done_then": done_and_retried(user),
        "rows_after_expiry": rows_after_expiry(user),
    }


def is_claimed_by_two(user: User) -> bool:
    """One copy of a message is at the step; another finds it taken and is retried, which Celery notes in the row."""
    run_id = ledger_designs.create_run_with_result_rows(user)
    ledger_designs.claim_result_row(run_id, Name.CHECK_DEVICE)
    current_app.backend.mark_as_retry(task_id_of(run_id, Name.CHECK_DEVICE), TAKEN)
    try:
        ledger_designs.claim_result_row(run_id, Name.CHECK_DEVICE)
    except ledger_designs.AlreadyDone:
        return False
    return True


def done_and_retried(user: User) -> str:
    """The status of a step that was done, after a copy of its message was retried, by the stock backend."""
    task_id = task_id_of(ledger_designs.result_rows_alone(user), Name.CHECK_DEVICE)
    DatabaseBackend(app=current_app).mark_as_retry(task_id, TAKEN)
    return str(TaskResult.objects.get(task_id=task_id).status)


def rows_after_expiry(user: User) -> int:
    rows = TaskResult.objects.filter(task_id__startswith=str(ledger_designs.result_rows_alone(user)))
    rows.update(date_done=timezone.now() - timedelta(seconds=settings.CELERY_RESULT_EXPIRES + 1))
    current_app.backend.cleanup()
    return rows.count()


def main(count: str, workflows: str) -> None:
    """Prints what was measured, as JSON."""
    call_command("migrate", verbosity=0)
    user = User.objects.create(username="alice", email="alice@example.com")
    with override_settings(DEBUG=False):
        measured = rounds(user, count=int(count), workflows=int(workflows))
        lost = what_result_rows_lose(user)
    json.dump({"rounds": measured, "lost": lost}, sys.stdout)
