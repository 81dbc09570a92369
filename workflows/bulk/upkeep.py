"""What is kept of jobs that have ended."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from workflows.bulk.models import BulkChunk, BulkJob

# Files that a job wrote are about people: they go, with the ids, a week after its end. The job and what failed stay.
KEEP_CHUNKS = timedelta(days=7)
# Chunks that one call deletes.
BATCH = 200


def delete_old_chunks() -> int:
    old = BulkJob.objects.filter(finished_at__lt=timezone.now() - KEEP_CHUNKS, state=BulkJob.State.FINISHED)
    some = list(BulkChunk.objects.filter(job__in=old).values_list("pk", flat=True)[:BATCH])
    return BulkChunk.objects.filter(pk__in=some).delete()[0] if some else 0
