"""Putting a job's rows into chunks of ids, by keyset: memory stays flat; killed, it goes on behind the last."""

from __future__ import annotations

import time
from typing import Any

from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.utils import timezone

from accounts.models import User
from workflows.bulk import lanes, registry, selection
from workflows.bulk.lanes import Turn
from workflows.bulk.models import BulkChunk, BulkFailure, BulkJob
from workflows.bulk.working import GIVEN_UP_AFTER

# Rows: some 4 kB of numbers, or 18 kB of UUIDs.
CHUNK = 500
# Seconds after which a message hands on to the next: whoever signs in meanwhile waits no longer for a process.
SLICE = 0.4


def prepare(job: BulkJob, turn: Turn) -> bool:
    """Make chunks for a slice of time; True where there is more to do.

    Raises NotAllowed, NotReadable, Grown or TurnLost.
    """
    until = time.monotonic() + SLICE
    by = selection.requester_of(job)
    rows = None if job.is_retrying else _selected(job, turn, by)
    while time.monotonic() < until:
        with transaction.atomic():
            lane = lanes.hold(turn)
            if not _preparing(job).exists():
                return False
            ids = _next_failed(job) if rows is None else _next_selected(job, rows)
            if not ids:
                if rows is not None:
                    _hold_to_number(job, by)
                _run(job)
                return False
            _add_chunk(job, ids)
            if lane.attempts:
                lane.attempts = 0
                lane.save(update_fields=["attempts"])
    return True


def _selected(job: BulkJob, turn: Turn, by: User) -> QuerySet[Any]:
    """Raises NotReadable also where the time limit came first, or a fault, each time that it was tried."""
    if lanes.attempts(turn) > GIVEN_UP_AFTER:
        why = f"Its selection could not be read in time, in {GIVEN_UP_AFTER} attempts: narrow the filter."
        raise selection.NotReadable(why)
    return selection.selected(registry.get(job.action), job.selection, by)


def _preparing(job: BulkJob) -> QuerySet[BulkJob]:
    return BulkJob.objects.filter(pk=job.pk, state=BulkJob.State.PREPARING)


def _next_selected(job: BulkJob, rows: QuerySet[Any]) -> list[str]:
    last = BulkChunk.objects.filter(job=job).order_by("-number").values_list("ids", flat=True).first()
    if last:
        rows = rows.filter(pk__gt=last.rpartition(",")[2])
    ids = [str(pk) for pk in rows.order_by("pk").values_list("pk", flat=True)[:CHUNK]]
    BulkJob.objects.filter(pk=job.pk).update(total=F("total") + len(ids))
    return ids


def _next_failed(job: BulkJob) -> list[str]:
    """They are no failures any longer, and left to do."""
    failures = dict(BulkFailure.objects.filter(job=job).order_by("pk").values_list("pk", "row")[:CHUNK])
    BulkFailure.objects.filter(pk__in=failures).delete()
    BulkJob.objects.filter(pk=job.pk).update(failed=F("failed") - len(failures))
    return list(failures.values())


def _add_chunk(job: BulkJob, ids: list[str]) -> None:
    newest = BulkChunk.objects.filter(job=job).aggregate(newest=Max("number"))["newest"]
    BulkChunk.objects.create(job=job, number=0 if newest is None else newest + 1, ids=",".join(ids))


def _hold_to_number(job: BulkJob, by: User) -> None:
    """Before anything is done. Raises Grown."""
    total = BulkJob.objects.values_list("total", flat=True).get(pk=job.pk)
    selection.hold_to_number(registry.get(job.action), job.selection, by, total)


def _run(job: BulkJob) -> None:
    now = timezone.now()
    _preparing(job).update(
        state=BulkJob.State.RUNNING,
        is_prepared=True,
        is_retrying=False,
        running_since=now,
        counted_by_then=F("done") + F("skipped") + F("failed"),
    )
    lanes.begin(job)
