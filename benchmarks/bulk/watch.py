"""A job watched from outside until its requester is told: how far it is when, the worker's memory, the queues."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Any

import psutil  # type: ignore[import-untyped]  # it has no types

from benchmarks.usage import MIB
from tests.environment import SCRATCH
from workflows import backlog
from workflows.bulk.models import BulkJob

# Seconds between two looks, and between two lines that tell how far it is.
PAUSE, TELLING = 1.0, 15.0

Figures = dict[str, Any]


class Stuck(Exception):
    """The job has ended otherwise, or does not get on."""


# Seconds without a row after which it is given up.
PATIENCE = 180.0


def watched(job: BulkJob, worker: int) -> Figures:
    """Looks at ``job`` and at the processes of the ``worker`` of this number. Raises Stuck.

    ``looks``: seconds since it was queued, rows done, MiB of all the worker's processes, MiB of the largest of them.
    ``waiting``: messages in the queue of bulk jobs at most, and in all others.
    """
    began = told = got_on = time.monotonic()
    looks: list[list[float]] = []
    waiting, before = {"bulk": 0, "others": 0}, (-1, -1)
    while True:
        job.refresh_from_db()
        now = time.monotonic()
        looks.append([now - began, job.processed, *_memory(worker)])
        lengths = backlog.lengths()
        bulk = lengths.pop("bulk")
        waiting = {"bulk": max(waiting["bulk"], bulk), "others": max(waiting["others"], sum(lengths.values()))}
        if job.mailed_at:
            return {"looks": looks, "waiting": waiting}
        if (job.total, job.processed) != before:
            before, got_on = (job.total, job.processed), now
        if now - got_on > PATIENCE or job.state in {BulkJob.State.STOPPED, BulkJob.State.FAILED}:
            log = (SCRATCH / "worker.log").read_text(errors="replace")[-3_000:]
            raise Stuck(f"{job} is {job.state}, {job.processed:,} of {job.total:,}: {job.error}\n{log}")
        if now - told > TELLING:
            told = now
            waits = f"{bulk} messages of it wait, {sum(lengths.values())} others"
            say(f"  {job.state}: {job.processed:,} of {job.total:,} rows, {looks[-1][2]:.0f} MiB; {waits}")
        time.sleep(PAUSE)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _memory(worker: int) -> tuple[float, float]:
    sizes = []
    process = psutil.Process(worker)
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            sizes.append(one.memory_info().rss / MIB)
    return sum(sizes), max(sizes)
