"""Files of a job, as a stream: what it exported, and which rows failed."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import StreamingHttpResponse

from workflows.bulk.actions.exports import line
from workflows.bulk.models import BulkChunk, BulkFailure, BulkJob
from workflows.bulk.registry import Action

# Chunks, and failures, that are in memory at a time.
CHUNKS, FAILURES = 10, 2_000


def export(job: BulkJob, action: Action) -> Iterator[str]:
    """The action's header, and what each chunk has written, in the order of the rows."""
    yield action.header
    written = BulkChunk.objects.filter(job=job).exclude(output="").order_by("number")
    yield from written.values_list("output", flat=True).iterator(chunk_size=CHUNKS)


def failures(job: BulkJob) -> Iterator[str]:
    yield line(["id", "reason"])
    rows = BulkFailure.objects.filter(job=job).order_by("pk").values_list("row", "reason")
    for row, reason in rows.iterator(chunk_size=FAILURES):
        yield line([row, reason])


def as_download(lines: Iterator[str], name: str) -> StreamingHttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)
