"""Runs: how they begin, what state they are in, how they end."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from accounts.models import Notice, SignIn
from workflows.models import Run, Step

logger = logging.getLogger(__name__)

# How long a new run may stay unpublished before recovery publishes it: longer than a request takes to do so.
UNPUBLISHED = timedelta(seconds=10)
# How long a published run may stand still before recovery publishes it again, the first time and at most.
STALLED = timedelta(seconds=30)
LONGEST_STALLED = timedelta(hours=1)
MOST_DOUBLINGS = 10


def create_run(sign_in: SignIn) -> Run:
    """The run of ``sign_in`` and its steps, all waiting. Call it in the transaction that writes the sign-in."""
    run = Run.objects.create(sign_in=sign_in, recover_at=timezone.now() + UNPUBLISHED)
    Step.objects.bulk_create([Step(run=run, name=name) for name in Step.Name])
    return run


def mark_running(run_id: UUID) -> None:
    """A step of the run is being attempted."""
    Run.objects.filter(pk=run_id, state__in=(Run.State.QUEUED, Run.State.RETRYING)).update(
        state=Run.State.RUNNING, started_at=Coalesce("started_at", Now())
    )


def mark_retrying(run_id: UUID, retry_at: datetime) -> None:
    """A step waits to be tried again at ``retry_at``; recovery leaves the run alone until well after that."""
    Run.objects.filter(pk=run_id, state__in=Run.UNFINISHED).update(
        state=Run.State.RETRYING, recover_at=retry_at + STALLED
    )


def mark_published(run_id: UUID) -> None:
    """The broker has the run's canvas. Recovery's patience doubles each time, so a backlog is not made worse."""
    published = Run.objects.values_list("published", flat=True).get(pk=run_id)
    patience = min(STALLED * 2 ** min(published, MOST_DOUBLINGS), LONGEST_STALLED)
    Run.objects.filter(pk=run_id).update(published=F("published") + 1, recover_at=timezone.now() + patience)


def mark_interrupted(run_id: UUID) -> None:
    """Celery called the error callback of the run's canvas, or a task of it found it closed. Idempotent.

    Where the ledger says that a step failed for good, so did the run. Otherwise the step's process was killed
    before it could say anything, and recovery goes on from there.
    """
    if Step.objects.filter(run=run_id, state=Step.State.FAILED).exists():
        fail_run(run_id)
    else:
        Run.objects.filter(pk=run_id, state__in=Run.UNFINISHED).update(recover_at=timezone.now())


def finish_run(run_id: UUID) -> None:
    """All steps are done. Where a notice still has to go out, or could not, the run is ``degraded``."""
    degraded = Notice.objects.filter(sign_in__run=run_id).exclude(state=Notice.State.SENT).exists()
    state = Run.State.DEGRADED if degraded else Run.State.SUCCEEDED
    _end(run_id, Run.UNFINISHED, state)


def fail_run(run_id: UUID) -> None:
    """A step failed for good: nobody goes on with this run by itself."""
    if _end(run_id, Run.UNFINISHED, Run.State.FAILED):
        logger.error("run %s failed: %s", run_id, _errors_of(run_id))


def mend_degraded_runs() -> int:
    """Runs whose notice has gone out since are ``succeeded``; returns how many."""
    mended = Run.objects.filter(state=Run.State.DEGRADED, sign_in__notice__state=Notice.State.SENT)
    return mended.update(state=Run.State.SUCCEEDED)


def reopen_failed_runs() -> int:
    """Have recovery go on with every failed run from the step that failed; returns how many."""
    failed = Run.objects.filter(state=Run.State.FAILED)
    with transaction.atomic():
        Step.objects.filter(run__in=failed, state=Step.State.FAILED).update(
            state=Step.State.WAITING, started_at=None, finished_at=None, cut_off=0
        )
        return failed.update(state=Run.State.QUEUED, finished_at=None, recover_at=timezone.now())


def _end(run_id: UUID, states: tuple[Run.State, ...], state: Run.State) -> bool:
    ended = Run.objects.filter(pk=run_id, state__in=states).update(state=state, finished_at=Now())
    return ended == 1


def _errors_of(run_id: UUID) -> str:
    failed = Step.objects.filter(run=run_id, state=Step.State.FAILED).values_list("name", "error")
    return "; ".join(f"{name}: {error}" for name, error in failed) or "no step recorded why"
