"""Working off a job's chunks: a slice of time a message, some rows at a time (batches.py), counted with what is done.

What the database holds happens once: a process that is killed leaves nothing of its batch. What is outside (a mail) is
written down with the lane right after it has happened, so that of each lane one row at most may happen again, with the
same key; it is counted for the batch as a whole.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from accounts.database import insist
from accounts.locking import lock_free
from accounts.models import SecurityEvent, User
from workflows import backlog
from workflows.bulk import batches, lanes, registry, selection
from workflows.bulk.batches import GONE, Batch
from workflows.bulk.lanes import Turn
from workflows.bulk.models import LONGEST_REASON, BulkChunk, BulkFailure, BulkJob, BulkLane
from workflows.bulk.registry import Action, Did, Rest, Work

# Seconds after which a message hands on to the next. Nobody waits for that: one process is left to the sign-ins
# (workflows/worker/queue_order.py). A worker of two looks for the next message once a second only: a slice that is a
# little longer than that leaves its process idle for almost another one.
SLICE = 0.85
# Rows of a transaction: a few statements of its own count little beside so many, and it lasts some milliseconds.
BATCH = 100
# The turn on one place from which on rows are done one by one, to the end of the chunk; and turns after which the first
# of them is taken for the cause.
CAREFUL_FROM = 3
GIVEN_UP_AFTER = 6
# Reasons for which rows were skipped that are told apart.
MOST_REASONS = 10
OTHER_REASONS = "Other reasons."
# Messages that may wait elsewhere while a job publishes runs.
MOST_WAITING = 200


def work(job: BulkJob, turn: Turn) -> bool:
    """Work for a slice of time; True where this lane has more to do. Raises NotAllowed, Rest or TurnLost."""
    until = time.monotonic() + SLICE
    action = registry.get(job.action)
    task = Work(job, selection.requester_of(job))
    if action.publishes:
        _give_way()
    step = partial(_some_outside, until) if action.outside else _some_inside
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
        work.lines.clear()
        ids = _due(lane, chunk)
        if lane.attempts > GIVEN_UP_AFTER:
            batch = _given_up(ids)
        else:
            rows = _rows(action, work, ids)
            careful = len(ids) == 1
            batch = (None if careful else batches.together(action, work, ids, rows)) or batches.one_by_one(
                action, work, ids, rows
            )
        _note(action, work, lane, chunk, batch)
        return True


def _some_outside(until: float, action: Action, work: Work, turn: Turn) -> bool:
    """Rows whose effects are outside, done while the lane is held by its lease."""
    with transaction.atomic():
        found = _next(work.job, turn)
        if found is None:
            return False
        lane, chunk = found
        if lane.written:  # by a process that was killed before it had counted them
            _note(action, work, lane, chunk, Batch.of_json(lane.written))
            return True
    ids = _due(lane, chunk)
    batch = _given_up(ids) if lane.attempts > GIVEN_UP_AFTER else Batch()
    try:
        if not batch.size:
            _do_outside(until, action, work, turn, ids, batch)
    finally:
        # Whatever came between: what has happened is counted.
        if batch.size:
            insist(partial(_note_outside, action, work, turn, chunk, batch))
    return True


def _do_outside(
    until: float, action: Action, work: Work, turn: Turn, ids: list[str], batch: Batch
) -> None:  # in no transaction
    rows = _rows(action, work, ids)
    for one in ids:
        batches.do_row(action, work, one, rows, batch)
        if one == ids[-1] or time.monotonic() > until:
            return  # it is counted now
        insist(partial(lanes.write_down, turn, batch.as_json()))


def _note_outside(action: Action, work: Work, turn: Turn, chunk: BulkChunk, batch: Batch) -> None:
    _note(action, work, lanes.hold(turn), chunk, batch)


def _next(job: BulkJob, turn: Turn) -> tuple[BulkLane, BulkChunk] | None:
    """Where the lane is, or the next chunk that nobody has begun; None where there is none, or the job was stopped."""
    lane = lanes.hold(turn)
    if not BulkJob.objects.filter(pk=job.pk, state=BulkJob.State.RUNNING).exists():
        lanes.end(turn)  # under its lock: who has the job go on after this finds the lane free
        return None
    if lane.chunk is None:
        waiting = BulkChunk.objects.filter(job=job, state=BulkChunk.State.WAITING).order_by("number")
        lane.chunk = lock_free(waiting).first()
        if lane.chunk is None:
            return None
        BulkChunk.objects.filter(pk=lane.chunk.pk).update(state=BulkChunk.State.RUNNING)
        lane.save(update_fields=["chunk"])
    return lane, lane.chunk


def _due(lane: BulkLane, chunk: BulkChunk) -> list[str]:
    size = 1 if lane.attempts >= CAREFUL_FROM else BATCH
    return chunk.row_ids()[chunk.position : chunk.position + size]


def _rows(action: Action, work: Work, ids: list[str]) -> dict[str, Any]:
    """Of what the requester sees: those that are gone, or not to be seen any longer, are not among them."""
    rows = selection.visible(action, work.by).select_related(None).select_related(*action.related)
    return {str(row.pk): row for row in rows.filter(pk__in=ids)}


def _given_up(ids: list[str]) -> Batch:
    """The first of them: it is alone where so many turns have been tried."""
    why = "It was tried again and again, and each time its process ended or gave up."
    return Batch(failures={ids[0]: why})


def _note(action: Action, work: Work, lane: BulkLane, chunk: BulkChunk, batch: Batch) -> None:
    done, gone, failed = batch.counts[Did.DONE], batch.counts[GONE], len(batch.failures)
    skipped = batch.counts[Did.SKIPPED] + gone
    position = chunk.position + batch.size
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
    # The row that ends its process comes only now, or another. What is outside is done one by one in any case.
    stays_careful = lane.attempts >= CAREFUL_FROM and not (is_done or action.outside)
    attempts = CAREFUL_FROM if stays_careful else 0
    BulkLane.objects.filter(pk=lane.pk).update(attempts=attempts, written=None, chunk=None if is_done else chunk)
    # Last, and with it the lock that all lanes of the job want.
    reasons = {"reasons": _reasons(work.job, batch)} if batch.reasons else {}
    BulkJob.objects.filter(pk=work.job.pk).update(
        done=F("done") + done,
        skipped=F("skipped") + skipped,
        gone=F("gone") + gone,
        failed=F("failed") + failed,
        error="",
        **reasons,
    )


def _reasons(job: BulkJob, batch: Batch) -> Counter[str]:
    """Why rows of the job were skipped, with those of the batch."""
    counted = Counter(BulkJob.objects.select_for_update().values_list("reasons", flat=True).get(pk=job.pk))
    for why, number in batch.reasons.items():
        counted[why if why in counted or len(counted) < MOST_REASONS else OTHER_REASONS] += number
    return counted


def _failures(job: BulkJob, batch: Batch) -> Iterable[BulkFailure]:
    for row, reason in batch.failures.items():
        yield BulkFailure(job=job, row=row, reason=reason.replace("\0", "")[:LONGEST_REASON])


def _events(work: Work, subjects: list[int]) -> Iterable[SecurityEvent]:
    """One for each person, of those whose accounts are still there."""
    there = set(User.objects.filter(pk__in=subjects).values_list("pk", flat=True))
    by = {"id": work.by.pk, "name": work.by.get_username()}
    for subject in sorted(there):
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
