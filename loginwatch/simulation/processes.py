"""Rows are made by as many processes as there are cores: the story is told in one, and its rows follow from it."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor

from django.db.models import Model

from loginwatch.simulation.child import begin
from loginwatch.simulation.rows import Batch, rows_of
from loginwatch.simulation.tables import Block

# Batches that wait for each process, or are made and wait to be written.
AHEAD = 3


def made(batches: Iterable[Batch], *, processes: int) -> Iterator[tuple[Batch, dict[type[Model], Block]]]:
    """The batches with their rows, in their order. Only so many are on their way that all processes are busy."""
    if processes == 1:
        for batch in batches:
            yield batch, rows_of(batch)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=begin) as pool:
        waiting: deque[tuple[Batch, Future[dict[type[Model], Block]]]] = deque()
        for batch in batches:
            waiting.append((batch, pool.submit(rows_of, batch)))
            if len(waiting) > processes * AHEAD:
                first, rows = waiting.popleft()
                yield first, rows.result()
        for batch, rows in waiting:
            yield batch, rows.result()
