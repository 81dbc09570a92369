"""How a step is done exactly once.

A step that only touches the database commits its effect, its result and "done" in one transaction, and nothing
before (``in_database``). A step that talks to the outside claims itself with a lease, acts with keys that follow from
the run, and then commits its result with what it notes in the database (``outside``). A step that is done
returns what it returned before, without acting, so a run may be published any number of times.

The row of a step, while it is attempted, is step_rows.py's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, TypeAlias, cast
from uuid import UUID

from billiard.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from accounts import sql
from accounts.backoff import pause
from accounts.database import insist, storable
from accounts.locking import lock_free
from workflows import attempts, points, runs, step_rows
from workflows.models import Attempt, Run, Step
from workflows.step_rows import StepClosed as StepClosed  # raised here, caught by who calls
from workflows.step_rows import StepTaken as StepTaken

logger = logging.getLogger(__name__)

State = Step.State
Result: TypeAlias = dict[str, Any]

# Longer than the hard time limit of the tasks that talk to the outside (tasks.py): who acts still holds its lease.
LEASE = timedelta(seconds=35)
# What keeps a step from being done now, and may not the next time.
HINDRANCES = (SoftTimeLimitExceeded, OperationalError, InterfaceError)
# Seconds between attempts at a step that reached its soft time limit, or that the database hindered: doubled each
# time, up to the longest.
FIRST_HINDERED_DELAY = 2.0
LONGEST_HINDERED_DELAY = 20.0
# How often a step whose effects are all in the database is hindered, until it is given up or a person begins it anew.
MOST_HINDRANCES = 30
# How often the process of a step that talks to the outside may be killed before the step is taken for the cause.
MOST_CUT_OFF = 5
# How often a run is published again without getting on by a step before it is taken for impossible; of a step in the
# database, which leaves no trace where its process is killed, this is all that is counted.
MOST_STALLS = 10


class GaveUp(Exception):
    """The step was attempted as often as it may be."""


class TryAgain(Exception):
    """The step could not be done now; it may be after ``delay`` seconds."""

    def __init__(self, reason: str, delay: float) -> None:
        super().__init__(reason, delay)
        self.reason = reason
        self.delay = delay

    def __str__(self) -> str:
        return self.reason


class NotYet(TryAgain):
    """The step was not attempted: what it needs is known to be away."""


def in_database(run_id: UUID, name: str, act: Callable[[Step], Result]) -> Result:
    """Do a step whose effects are all in the database; ``act`` runs in the transaction that ends the step.

    Raises StepClosed, StepTaken, TryAgain, GaveUp, and what ``act`` raises; a TryAgain is noted on the step and its
    run, and nothing else of the attempt is left.
    """
    step = None
    try:
        with transaction.atomic():
            step = step_rows.lock(run_id, name)
            if step.state in Step.DONE:
                return _recorded(step)
            points.reached(run_id, name, "begun")
            result = act(step)
            step_rows.complete(step, result)
            points.reached(run_id, name, "before commit")
    except TryAgain as again:
        _note_retry(cast(Step, step), again)  # only ``act`` raises it
        raise
    except HINDRANCES as hindrance:
        if step is None:
            raise
        hindered = attempts.hindered_since(step) + 1  # raises the database's error where it is away
        if hindered >= MOST_HINDRANCES:
            raise GaveUp(f"it was hindered {hindered} times, at last by: {_text_of(hindrance)}") from hindrance
        raise _put_off(step, hindrance) from hindrance
    points.reached(run_id, name, "committed")
    return result


def outside(
    run_id: UUID,
    name: str,
    act: Callable[[Step], Result],
    *,
    lease: timedelta,
    note: Callable[[Step, Result], None] = lambda step, result: None,
    without: Callable[[Step], Result | None] = lambda step: None,
) -> Result:
    """Do a step that talks to the outside, which takes ``act`` less than ``lease``.

    ``without(step)`` is its result where nothing has to be done outside, else None; it raises NotYet where the step is
    not to be attempted now. ``note(step, result)`` writes what the database has to know of it, in the transaction that
    ends the step. Raises StepClosed, StepTaken, and what ``act`` and ``without`` raise; a TryAgain is noted on the step
    and its run.
    """
    not_yet = None
    with transaction.atomic():
        step = step_rows.lock(run_id, name)
        if step.state in Step.DONE:
            return _recorded(step)
        points.reached(run_id, name, "begun")
        try:
            result = without(step)
        except NotYet as later:
            result, not_yet = None, later
            _note_wait(step, later)
        else:
            if result is None:
                step_rows.claim(step, lease)
            else:
                step_rows.complete(step, result)
                points.reached(run_id, name, "before commit")
    if not_yet:
        raise not_yet
    if result is None:
        result = _act_outside(step, act)
        points.reached(run_id, name, "called")
        _write_down(step, result, note)
    points.reached(run_id, name, "committed")
    return result


def _act_outside(step: Step, act: Callable[[Step], Result]) -> Result:
    try:
        points.reached(step.run_id, step.name, "claimed")
        return act(step)
    except TryAgain as again:
        _note_retry(step, again)
        raise
    except HINDRANCES as hindrance:
        raise _put_off(step, hindrance) from hindrance


def _put_off(step: Step, hindrance: BaseException) -> TryAgain:
    """Raises the database's error where it is away: then nothing can be noted."""
    later = TryAgain(_text_of(hindrance), _hindered_delay(step))
    _note_retry(step, later, Attempt.Outcome.HINDERED)
    return later


def _write_down(step: Step, result: Result, note: Callable[[Step, Result], None]) -> None:
    def write() -> None:
        note(step, result)
        step_rows.complete(step, result)
        points.reached(step.run_id, step.name, "before commit")

    try:
        insist(write)
    except SoftTimeLimitExceeded:
        # What the outside has taken cannot be taken back; before the hard limit there is time for this.
        insist(write)


def fail_step(run_id: UUID, name: str, error: str) -> None:
    """An attempt at the step failed for good, and its run with it. A step that is done stays done."""
    with transaction.atomic():
        for step in Step.objects.select_for_update().filter(run=run_id, name=name, state__in=Step.OPEN):
            if step.state != State.RUNNING:  # of an attempt within a transaction nothing was left
                step.attempts += 1
                step.attempted_at = timezone.now()
                step.started_at = step.started_at or step.attempted_at
            attempts.note_attempt(step, Attempt.Outcome.FAILED, error)
            _fail(step, error)


def give_up_step(run_id: UUID, name: str, error: str) -> None:
    """Nobody attempts the step any more, and its run has failed. No attempt at it has just ended."""
    with transaction.atomic():
        for step in Step.objects.select_for_update().filter(run=run_id, name=name, state__in=Step.OPEN):
            _fail(step, error)


def _fail(step: Step, error: str) -> None:
    """The step's row is locked."""
    step.state, step.error, step.finished_at = State.FAILED, storable(error), timezone.now()
    step.leased_until = None
    step.save()
    runs.fail_run(step.run_id)


def skip_step(step: Step) -> None:
    """Have the step count as done, without effect. Its row is locked, and nobody is at it, whose result were lost."""
    if step.state == State.RUNNING:
        attempts.note_attempt(step, Attempt.Outcome.KILLED, attempts.KILLED)
    skippable = Step.objects.filter(pk=step.pk, state__in=(*Step.OPEN, State.FAILED))
    skippable.update(state=State.SKIPPED, result={"skipped": True}, finished_at=timezone.now(), leased_until=None)


def release_steps(run_id: UUID, **which: str) -> int:
    """Steps of the run that wait to be tried again may be attempted at once; returns how many.

    One that is attempted at this very moment is left alone: whoever is at it may wait for the run's row.
    """
    waiting = Step.objects.filter(run=run_id, state=State.RETRYING, **which)
    found = Step.objects.filter(pk__in=list(lock_free(waiting).values_list("pk", flat=True)))
    return found.update(state=State.WAITING, leased_until=None)


def may_go_on(run_ids: Collection[UUID]) -> list[Run]:
    """Of runs that stand still, those that are worth publishing again, in their order; the others are failed.

    An attempt that still counts as running was killed, and is over: too many, and its step has failed. A run that was
    published again and again and got nowhere would not get anywhere the next time.
    """
    attempts.end_killed(run_ids)
    open_steps = Step.objects.filter(run__in=run_ids, state__in=Step.OPEN)
    for step in list(open_steps.filter(cut_off__gte=MOST_CUT_OFF)):
        give_up_step(step.run_id, step.name, f"its process was killed {MOST_CUT_OFF} times")
    stuck = open_steps.filter(run__state__in=Run.UNFINISHED, run__stalls__gt=MOST_STALLS)
    for step in {step.run_id: step for step in stuck.order_by("-pk")}.values():  # the first of each
        give_up_step(step.run_id, step.name, f"it was published {MOST_STALLS} times, and did not get on")
    unfinished = Run.objects.filter(state__in=Run.UNFINISHED).only("pk", "kind").in_bulk(run_ids)
    return [unfinished[run_id] for run_id in run_ids if run_id in unfinished]


def result_of(run: Run, name: str) -> Result:
    """What an earlier step of the run returned; raises Step.DoesNotExist where it has not succeeded."""
    columns = sql.columns(Step, "s")
    statement = f"SELECT {columns} FROM workflows_step s WHERE run_id = %(run)s AND name = %(name)s"  # noqa: S608  names
    row = sql.fetch(statement, Step, run=run.pk, name=name)
    step = cast(Step, sql.read(row, Step)[0]) if row else None
    if step is None or step.state not in Step.DONE:
        raise Step.DoesNotExist(f"{name} of {run} has not succeeded")
    return _recorded(step)


def _note_retry(step: Step, again: TryAgain, outcome: Attempt.Outcome = Attempt.Outcome.PUT_OFF) -> None:
    """Until it is tried again the step stays taken: another copy of its message must not come earlier."""
    retry_at = timezone.now() + timedelta(seconds=again.delay)
    with transaction.atomic():
        held = Step.objects.filter(pk=step.pk, state__in=Step.OPEN, attempts__lte=step.attempts)
        if held.update(
            state=State.RETRYING,
            attempts=step.attempts,
            started_at=step.started_at,
            attempted_at=step.attempted_at,
            error=storable(again.reason),
            leased_until=retry_at,
        ):
            attempts.note_attempt(step, outcome, again.reason, retry_at)
            runs.mark_retrying(step.run_id, retry_at)
    logger.info("%s is tried again in %.0f s: %s", step, again.delay, again.reason)
    points.reached(step.run_id, step.name, "retry noted")


def _note_wait(step: Step, later: NotYet) -> None:
    """It waits as if it were to be tried again, but no attempt was made. Its row is locked."""
    retry_at = timezone.now() + timedelta(seconds=later.delay)
    Step.objects.filter(pk=step.pk).update(
        state=State.RETRYING, started_at=step.started_at, error=storable(later.reason), leased_until=retry_at
    )
    runs.mark_retrying(step.run_id, retry_at)


def _hindered_delay(step: Step) -> float:
    return pause(attempts.number_anew(step), first=FIRST_HINDERED_DELAY, longest=LONGEST_HINDERED_DELAY)


def _text_of(hindrance: BaseException) -> str:
    return "it reached its time limit" if isinstance(hindrance, SoftTimeLimitExceeded) else str(hindrance)


def _recorded(step: Step) -> Result:
    result: Result = step.result  # type: ignore[assignment]  # "succeeded" is written with a result
    return result
