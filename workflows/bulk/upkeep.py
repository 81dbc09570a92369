"""How long jobs are kept that have ended: what they wrote for a week, and the rest as long as sign-ins are."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts import retention
from workflows.bulk import lanes
from workflows.bulk.models import BulkChunk, BulkFailure, BulkJob, BulkLane

# Files that a job wrote are about people: they go, with the ids, a week after its end.
KEEP_CHUNKS = timedelta(days=7)
# Chunks that one call deletes.
BATCH = 200


def keeps(job: BulkJob) -> bool:
    """Whether its chunks are kept; from then on they are being deleted."""
    return job.finished_at is None or job.finished_at > timezone.now() - KEEP_CHUNKS


def delete_old_chunks() -> int:
    """Some of one job; returns how many."""
    old = BulkJob.objects.filter(state__in=BulkJob.ENDED, finished_at__lte=timezone.now() - KEEP_CHUNKS)
    job = old.filter(Exists(_chunks())).first()
    if job is None:
        return 0
    with transaction.atomic():
        lanes.lock(job)
        if not old.filter(pk=job.pk).exists():  # somebody has just had it go on
            return 0
        some = list(BulkChunk.objects.filter(job=job).values_list("pk", flat=True)[:BATCH])
        return BulkChunk.objects.filter(pk__in=some).delete()[0]


def is_due(job: BulkJob) -> bool:
    """Whether it is kept no longer; from then on the rows that failed are being deleted, and it with the last."""
    return _old_jobs().filter(pk=job.pk).exists()


@transaction.atomic
def delete_old_job() -> Counter[str]:
    """Some of the failures of one job that is due, and when none is left, the job; returns how many rows, by table."""
    job = _due_jobs().first()
    if job is None:
        return Counter()
    lanes.lock(job)
    if not is_due(job):  # somebody has just had its failed rows retried
        return Counter()
    failures = BulkFailure.objects.filter(job=job).values_list("pk", flat=True)[: retention.BATCH]
    if some := list(failures):
        return retention.delete(BulkFailure.objects.filter(pk__in=some))
    return retention.delete(BulkJob.objects.filter(pk=job.pk))


def all_due() -> list[QuerySet[Any]]:
    """What ``delete_old_job`` deletes in the end."""
    due = _due_jobs().order_by()
    return [due, *(model.objects.filter(job__in=due) for model in (BulkFailure, BulkLane))]


def _due_jobs() -> QuerySet[BulkJob]:
    """Whose chunks have gone before them, a batch at a time."""
    return _old_jobs().filter(~Exists(_chunks()))


def _old_jobs() -> QuerySet[BulkJob]:
    """Those that ended long ago, in that order, and can go on no more."""
    days: int = settings.RETENTION_SIGN_INS_DAYS
    ended = BulkJob.objects.filter(state__in=BulkJob.ENDED)
    return retention.older_than(max(days, KEEP_CHUNKS.days) if days else 0, ended, "finished_at")


def _chunks() -> QuerySet[BulkChunk]:
    return BulkChunk.objects.filter(job=OuterRef("pk"))
