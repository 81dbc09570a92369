"""Working off a job's chunks: a slice of time a message, each batch of rows in one transaction with its counts.

A row that cannot be done fails alone, in its savepoint. What the database holds happens once: a process that is killed
leaves nothing of its batch. What is outside (a mail) is committed row by row right after it has happened, so that of
each lane one row at most may happen again, with the same key.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from accounts.database import insist
from accounts.models import SecurityEvent
from workflows import backlog
from workflows.bulk import lanes, registry, selection
from workflows.bulk.lanes import Turn
from workflows.bulk.models import LONGEST_REASON, BulkChunk, BulkFailure, BulkJob, BulkLane
from workflows.bulk.registry import Action, Did, Rest, RowFailed, Work

logger = logging.getLogger(__name__)

# Seconds after which a message hands on to the next, and after which a transaction ends.
SLICE = 0.4
LONGEST_BATCH = 0.1
# PostgreSQL keeps up to 64 savepoints of a transaction in memory.
BATCH = 50
# Turns on one place after which rows are done one by one, and after which the first of them is taken for the cause.
CAREFUL_AFTER = 3
GIVEN_UP_AFTER = 6
# Messages that may wait elsewhere while a job publishes runs.
MOST_WAITING = 200


@dataclass
class Batch:
    """What became of some rows."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    subjects: list[int] = field(default_factory=list)


def work(job: BulkJob, turn: Turn) -> bool:
    """Work for a slice of time; True where this lane has more to do. Raises NotAllowed, Rest or TurnLost."""
    until = time.monotonic() + SLICE
    action = registry.get(job.action)
    task = Work(job, selection.requester_of(job))
    if action.publishes:
        _give_way()
    step = _some_outside if action.outside else _some_inside
    try:
        while step(action, task, turn):
            if time.monotonic() > until:
                return True
    finally:
        task.close()
    return False


def _some_inside(action: Action, work: Work, turn: Turn) -> bool:
    """A batch whose effects are all in the database; False where none is left."""
    with transaction.atomic():
        found = _next(work.job, turn)
        if found is None:
            return False
        lane, chunk = found
        batch = Batch()
        work.lines.clear()
        ids = _due(lane, chunk)
        _do_rows(action, work, ids, _rows(action, work, ids), batch, give_up=lane.attempts > GIVEN_UP_AFTER)
        _note(action, work, lane, chunk, batch)
        return True


def _some_outside(action: Action, work: Work, turn: Turn) -> bool:
    """Rows whose effects are outside: done while the lane is held by its lease, each noted at once."""
    with transaction.atomic():
        found = _next(work.job, turn)
    if found is None:
        return False
    lane, chunk = found
    ids = _due(lane, chunk)
    rows = _rows(action, work, ids)
    until = time.monotonic() + LONGEST_BATCH
    for one in ids:
        batch = Batch()
        _do_rows(action, work, [one], rows, batch, give_up=lane.attempts > GIVEN_UP_AFTER)
        insist(partial(_note_outside, action, work, turn, chunk, batch))
        chunk.position += 1
        lane.attempts = 0
        if time.monotonic() > until:
            break
    return True


def _note_outside(action: Action, work: Work, turn: Turn, chunk: BulkChunk, batch: Batch) -> None:
    _note(action, work, lanes.hold(turn), chunk, batch)


def _next(job: BulkJob, turn: Turn) -> tuple[BulkLane, BulkChunk] | None:
    """Where the lane is, or the next chunk that nobody has begun; None where there is none, or the job was stopped."""
    lane = lanes.hold(turn)
    if not BulkJob.objects.filter(pk=job.pk, state=BulkJob.State.RUNNING).exists():
        return None
    if lane.chunk is None:
        waiting = BulkChunk.objects.filter(job=job, state=BulkChunk.State.WAITING).order_by("number")
        free = waiting.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
        lane.chunk = free.first()
        if lane.chunk is None:
            return None
        BulkChunk.objects.filter(pk=lane.chunk.pk).update(state=BulkChunk.State.RUNNING)
        lane.save(update_fields=["chunk"])
    return lane, lane.chunk


def _due(lane: BulkLane, chunk: BulkChunk) -> list[str]:
    size = 1 if lane.attempts > CAREFUL_AFTER else BATCH
    return chunk.row_ids()[chunk.position : chunk.position + size]


def _do_rows(action: Action, work: Work, ids: list[str], rows: dict[str, Any], batch: Batch, *, give_up: bool) -> None:
    until = time.monotonic() + LONGEST_BATCH
    for one in ids:
        if give_up:
            batch.failures[one] = f"It was tried {GIVEN_UP_AFTER} times, and each time its process ended or gave up."
        elif one not in rows:
            batch.counts["gone"] += 1
        else:
            _do_row(action, work, one, rows[one], batch)
        if time.monotonic() > until:
            return


def _rows(action: Action, work: Work, ids: list[str]) -> dict[str, Any]:
    """Of what the requester sees: those that are gone, or not to be seen any longer, are not among them."""
    rows = selection.visible(action, work.by).select_related(None).select_related(*action.related)
    return {str(row.pk): row for row in rows.filter(pk__in=ids)}


def _do_row(action: Action, work: Work, one: str, row: Any, batch: Batch) -> None:
    before = len(work.lines)
    try:
        did = action.do(row, work) if action.outside else _in_savepoint(action, work, row)
    except RowFailed as failure:
        batch.failures[one] = str(failure)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded, Rest):
        raise  # no fault of this row's
    except Exception as error:
        logger.exception("row %s of %s failed", one, work.job)
        batch.failures[one] = f"{type(error).__name__}: {error}"
    else:
        batch.counts[did] += 1
        if did == Did.DONE and action.subject:
            batch.subjects.append(action.subject(row))
        return
    del work.lines[before:]


def _in_savepoint(action: Action, work: Work, row: Any) -> Did:
    with transaction.atomic():
        did = action.do(row, work)
        if work.job.dry_run:
            transaction.set_rollback(True)
    return did


def _note(action: Action, work: Work, lane: BulkLane, chunk: BulkChunk, batch: Batch) -> None:
    done, gone, failed = batch.counts[Did.DONE], batch.counts["gone"], len(batch.failures)
    skipped = batch.counts[Did.SKIPPED] + gone
    position = chunk.position + done + skipped + failed
    is_done = position >= len(chunk.row_ids())
    chunks = BulkChunk.objects.filter(pk=chunk.pk)
    # A commit whose answer was lost is repeated (insist), and finds that the chunk has got on.
    moved = chunks.filter(position=chunk.position).update(
        position=position,
        state=BulkChunk.State.DONE if is_done else BulkChunk.State.RUNNING,
        done=F("done") + done,
        skipped=F("skipped") + skipped,
        failed=F("failed") + failed,
    )
    if not moved:
        return
    if work.lines and not work.job.dry_run:
        chunks.update(output=Concat(F("output"), Value("".join(work.lines))))
    BulkFailure.objects.bulk_create(_failures(work.job, batch), ignore_conflicts=True)
    if action.subject and not work.job.dry_run:
        SecurityEvent.objects.bulk_create(_events(work, batch.subjects))
    BulkLane.objects.filter(pk=lane.pk).update(attempts=0, chunk=None if is_done else chunk)
    # Last, and with it the lock that all lanes of the job want.
    BulkJob.objects.filter(pk=work.job.pk).update(
        done=F("done") + done,
        skipped=F("skipped") + skipped,
        gone=F("gone") + gone,
        failed=F("failed") + failed,
        error="",
    )


def _failures(job: BulkJob, batch: Batch) -> Iterable[BulkFailure]:
    for row, reason in batch.failures.items():
        yield BulkFailure(job=job, row=row, reason=reason.replace("\0", "")[:LONGEST_REASON])


def _events(work: Work, subjects: list[int]) -> Iterable[SecurityEvent]:
    by = {"id": work.by.pk, "name": work.by.get_username()}
    for subject in set(subjects):
        details = {"job": str(work.job.pk), "action": work.job.action, "by": by}
        yield SecurityEvent(user_id=subject, kind=SecurityEvent.Kind.BULK_JOB, details=details)


def _give_way() -> None:
    """Raises Rest where a backlog waits in the queues of those who sign in: what is published comes behind it."""
    try:
        waiting = sum(length for name, length in backlog.lengths().items() if name != "bulk")
    except backlog.BrokerAway as error:
        raise Rest("The broker is away.", 10.0) from error
    if waiting > MOST_WAITING:
        raise Rest("Sign-ins wait for workers; they come first.", 2.0)
