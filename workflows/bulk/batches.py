"""Doing some rows of a job: together in one savepoint, or where that fails each in its own, so that one fails alone."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, transaction

from workflows.bulk.registry import Action, Did, Rest, RowFailed, Skipped, Work

logger = logging.getLogger(__name__)

# Seconds after which no further row is begun.
LONGEST = 0.1
# Rows with a savepoint each: PostgreSQL keeps up to 64 of a transaction in memory.
SAVEPOINTS = 50
# No fault of a row's.
NOBODY_TO_BLAME = (OperationalError, InterfaceError, SoftTimeLimitExceeded, Rest)

GONE = "gone"
Rows = Mapping[str, Any]


@dataclass
class Batch:
    """What became of some rows, the first of those that were due.

    ``reasons``: why rows were skipped, and how many. ``subjects``: on whose accounts it was done.
    """

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    subjects: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        return self.counts.total() + len(self.failures)

    def add(self, action: Action, row: Any, did: Did | Skipped) -> None:
        if isinstance(did, Skipped):
            self.reasons[did.why] += 1
            did = Did.SKIPPED
        self.counts[did] += 1
        if did == Did.DONE and action.subject:
            self.subjects.append(action.subject(row))

    def as_json(self) -> dict[str, Any]:
        counted = {"counts": dict(self.counts), "reasons": dict(self.reasons)}
        return {**counted, "failures": self.failures, "subjects": self.subjects}

    @classmethod
    def of_json(cls, written: dict[str, Any]) -> Batch:
        counted = {name: Counter(written.get(name, {})) for name in ("counts", "reasons")}
        return cls(**counted, failures=written["failures"], subjects=written["subjects"])


def together(action: Action, work: Work, ids: Sequence[str], rows: Rows) -> Batch | None:
    """All of them in one savepoint; None where a row does not bear that: then nothing has happened."""
    batch = Batch()
    try:
        with transaction.atomic():
            if action.do_many:
                _at_once(action, work, ids, rows, batch)
            else:
                _in_turn(action, work, ids, rows, batch)
            if work.job.dry_run:
                transaction.set_rollback(True)
    except NOBODY_TO_BLAME:
        raise
    except Exception:  # whatever it is: one by one, the row to blame fails with it
        logger.info("%s goes on row by row", work.job, exc_info=True)
        work.lines.clear()
        return None
    return batch


def _at_once(action: Action, work: Work, ids: Sequence[str], rows: Rows, batch: Batch) -> None:
    assert action.do_many  # noqa: S101  who calls has looked
    done = action.do_many(list(rows.values()), work)
    for one in ids:
        if one in rows:
            batch.add(action, rows[one], Did.DONE if rows[one].pk in done else Did.SKIPPED)
        else:
            batch.counts[GONE] += 1


def _in_turn(action: Action, work: Work, ids: Sequence[str], rows: Rows, batch: Batch) -> None:
    until = time.monotonic() + LONGEST
    for one in ids:
        if one in rows:
            batch.add(action, rows[one], action.do(rows[one], work))
        else:
            batch.counts[GONE] += 1
        if time.monotonic() > until:
            return


def one_by_one(action: Action, work: Work, ids: Sequence[str], rows: Rows) -> Batch:
    """Each in a savepoint of its own."""
    batch, until = Batch(), time.monotonic() + LONGEST
    for one in ids[:SAVEPOINTS]:
        do_row(action, work, one, rows, batch)
        if time.monotonic() > until:
            break
    return batch


def do_row(action: Action, work: Work, one: str, rows: Rows, batch: Batch) -> None:
    """Do this row, and add to ``batch`` what became of it."""
    if one not in rows:
        batch.counts[GONE] += 1
        return
    before = len(work.lines)
    try:
        did = action.do(rows[one], work) if action.outside else _in_savepoint(action, work, rows[one])
    except NOBODY_TO_BLAME:
        raise
    except RowFailed as failure:
        batch.failures[one] = str(failure)
    except Exception as error:
        logger.exception("row %s of %s failed", one, work.job)
        batch.failures[one] = f"{type(error).__name__}: {error}"
    else:
        batch.add(action, rows[one], did)
        return
    del work.lines[before:]


def _in_savepoint(action: Action, work: Work, row: Any) -> Did | Skipped:
    with transaction.atomic():
        did = action.do(row, work)
        if work.job.dry_run:
            transaction.set_rollback(True)
    return did
