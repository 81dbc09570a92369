"""What is kept of jobs that have ended."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from workflows.bulk import lanes
from workflows.bulk.models import BulkChunk, BulkJob

# Files that a job wrote are about people: they go, with the ids, a week after its end. The job and what failed stay.
KEEP_CHUNKS = timedelta(days=7)
# Chunks that one call deletes.
BATCH = 200


def keeps(job: BulkJob) -> bool:
    """Whether its chunks are kept; from then on they are being deleted."""
    return job.finished_at is None or job.finished_at > timezone.now() - KEEP_CHUNKS


def delete_old_chunks() -> int:
    """Some of one job; returns how many."""
    old = BulkJob.objects.filter(state__in=BulkJob.ENDED, finished_at__lte=timezone.now() - KEEP_CHUNKS)
    job = old.filter(Exists(BulkChunk.objects.filter(job=OuterRef("pk")))).first()
    if job is None:
        return 0
    with transaction.atomic():
        lanes.lock(job)
        if not old.filter(pk=job.pk).exists():  # somebody has just had it go on
            return 0
        some = list(BulkChunk.objects.filter(job=job).values_list("pk", flat=True)[:BATCH])
        return BulkChunk.objects.filter(pk__in=some).delete()[0]
