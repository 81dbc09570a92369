"""How far a job is, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from workflows.bulk import registry
from workflows.bulk.models import BulkJob
from workflows.presentation.words import duration_in_words


@dataclass(frozen=True)
class Progress:
    """``rate`` is in rows a second, since the job last began to run; 0 where that cannot be told."""

    percent: int
    rate: float
    ends_in: str


def title_of(job: BulkJob) -> str:
    """Its action, as a heading; of one that this version does not know, its name."""
    try:
        return registry.get(job.action).heading
    except registry.UnknownAction:
        return job.action


def progress_of(job: BulkJob) -> Progress:
    rate = _rate(job)
    ends_in = duration_in_words(job.left / rate) if rate and job.left else ""
    percent = 100 * job.processed // job.total if job.total else 0
    return Progress(percent, rate, ends_in)


def _rate(job: BulkJob) -> float:
    if job.running_since is None or job.state not in {BulkJob.State.RUNNING, BulkJob.State.FINISHED}:
        return 0.0
    seconds = ((job.finished_at or timezone.now()) - job.running_since).total_seconds()
    rows = job.processed - job.counted_by_then
    return rows / seconds if seconds > 0 and rows > 0 else 0.0
