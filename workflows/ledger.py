"""How a step is done exactly once.

A step that only touches the database commits its effect, its result and "done" in one transaction
(``in_database``). A step that talks to the outside claims itself with a lease, acts with keys that follow from
the run, and then commits its result with what it notes in the database (``outside``). A step that is done
returns what it returned before, without acting, so a run may be published any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from billiard.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.database import insist
from workflows import points, runs
from workflows.models import Run, Step

State = Step.State
Result: TypeAlias = dict[str, Any]

OPEN = (State.WAITING, State.RUNNING, State.RETRYING)

# Seconds after which a step is tried again that reached its soft time limit, or that the database hindered.
HINDERED_DELAY = 10.0
# How often a step whose effects are all in the database is attempted.
MOST_ATTEMPTS = 30
# How often a step's process may be killed before the step is taken for the cause.
MOST_CUT_OFF = 5
# How often a run is published again without getting on by a step before it is taken for impossible.
MOST_STALLS = 10


class StepTaken(Exception):
    """Another worker holds this step's lease, ``until`` it ends."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"another worker is at it until {until:%H:%M:%S}")
        self.until = until


class StepClosed(Exception):
    """The step has failed for good, or its run has ended: there is nothing to do."""


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


def in_database(run_id: UUID, name: Step.Name, act: Callable[[Step], Result]) -> Result:
    """Do a step whose effects are all in the database; ``act`` runs in the transaction that ends the step.

    Raises StepClosed, TryAgain, GaveUp, and what ``act`` raises.
    """
    step = _begin(run_id, name)
    if step.state == State.SUCCEEDED:
        return _recorded(step)
    points.reached(run_id, name, "begun")
    try:
        with transaction.atomic():
            locked = Step.objects.select_for_update().get(pk=step.pk)
            if locked.state == State.SUCCEEDED:
                return _recorded(locked)
            result = act(step)
            _complete(locked, result)
            points.reached(run_id, name, "before commit")
    except (SoftTimeLimitExceeded, OperationalError) as hindrance:
        if step.attempts >= MOST_ATTEMPTS:
            raise GaveUp(f"it was hindered {step.attempts} times, at last by: {_text_of(hindrance)}") from hindrance
        later = TryAgain(_text_of(hindrance), HINDERED_DELAY)
        _note_retry(step, later)  # raises the database's error where it is away
        raise later from hindrance
    points.reached(run_id, name, "committed")
    return result


def outside(
    run_id: UUID,
    name: Step.Name,
    act: Callable[[Step], Result],
    *,
    lease: timedelta,
    note: Callable[[Step, Result], None] | None = None,
) -> Result:
    """Do a step that talks to the outside, which takes ``act`` less than ``lease``.

    ``note(step, result)`` writes what the database has to know of it, in the transaction that ends the step.
    Raises StepClosed, StepTaken, and what ``act`` raises; a TryAgain is noted on the step and its run.
    """
    step = _begin(run_id, name, lease)
    if step.state == State.SUCCEEDED:
        return _recorded(step)
    points.reached(run_id, name, "begun")
    try:
        result = act(step)
    except TryAgain as again:
        _note_retry(step, again)
        raise
    except SoftTimeLimitExceeded as limit:
        later = TryAgain(_text_of(limit), HINDERED_DELAY)
        _note_retry(step, later)
        raise later from limit
    points.reached(run_id, name, "called")

    def write() -> None:
        if note:
            note(step, result)
        _complete(step, result)
        points.reached(run_id, name, "before commit")

    try:
        insist(write)
    except SoftTimeLimitExceeded:
        # What the outside has taken cannot be taken back; before the hard limit there is time for this.
        insist(write)
    points.reached(run_id, name, "committed")
    return result


def fail_step(run_id: UUID, name: Step.Name, error: str) -> None:
    """The step failed for good, and its run with it. A step that is done stays done."""
    with transaction.atomic():
        failed = Step.objects.filter(run=run_id, name=name).exclude(state=State.SUCCEEDED)
        if failed.update(state=State.FAILED, error=_storable(error), finished_at=timezone.now(), leased_until=None):
            runs.fail_run(run_id)


def may_go_on(run_ids: Collection[UUID]) -> list[UUID]:
    """Of runs that stand still, those that are worth publishing again; the others are failed.

    An attempt that still counts as running was killed, and is over: too many, and its step has failed. A run that was
    published again and again and got nowhere would not get anywhere the next time.
    """
    free = Q(leased_until=None) | Q(leased_until__lte=timezone.now())
    killed = Step.objects.filter(free, run__in=run_ids, state=State.RUNNING)
    killed.update(state=State.WAITING, leased_until=None, cut_off=F("cut_off") + 1)
    open_steps = Step.objects.filter(run__in=run_ids, state__in=OPEN)
    for step in list(open_steps.filter(cut_off__gte=MOST_CUT_OFF)):
        fail_step(step.run_id, Step.Name(step.name), f"its process was killed {MOST_CUT_OFF} times")
    stuck = open_steps.filter(run__state__in=Run.UNFINISHED, run__stalls__gt=MOST_STALLS)
    for step in {step.run_id: step for step in stuck.order_by("-pk")}.values():  # the first of each
        fail_step(step.run_id, Step.Name(step.name), f"it was published {MOST_STALLS} times, and no worker did it")
    return list(Run.objects.filter(pk__in=run_ids, state__in=Run.UNFINISHED).values_list("pk", flat=True))


def result_of(run: Run, name: Step.Name) -> Result:
    """What an earlier step of the run returned; raises Step.DoesNotExist where it has not succeeded."""
    return _recorded(run.steps.get(name=name, state=State.SUCCEEDED))


def _begin(run_id: UUID, name: Step.Name, lease: timedelta | None = None) -> Step:
    """Claim an attempt at the step, or find it done."""
    now = timezone.now()
    claimed = Step.objects.filter(
        Q(leased_until=None) | Q(leased_until__lte=now),
        run=run_id,
        run__state__in=Run.UNFINISHED,
        name=name,
        state__in=OPEN,
    ).update(
        state=State.RUNNING,
        attempts=F("attempts") + 1,
        started_at=Coalesce("started_at", now),
        leased_until=now + lease if lease else None,
    )
    if claimed:
        runs.mark_running(run_id)
    step = Step.objects.select_related("run__sign_in__user").get(run=run_id, name=name)
    if claimed or step.state == State.SUCCEEDED:
        return step
    if step.state == State.FAILED or step.run.is_finished:
        raise StepClosed(f"{step} is {step.state} and its run {step.run.state}")
    raise StepTaken(step.leased_until or now)


def _complete(step: Step, result: Result) -> None:
    """Mark the step done. Raises StepTaken where its lease ran out and another worker claimed it meanwhile."""
    now = timezone.now()
    # Running or not: an attempt that was taken for killed too soon counts where nobody has begun another.
    completed = Step.objects.filter(pk=step.pk, state__in=OPEN, attempts=step.attempts).update(
        state=State.SUCCEEDED, result=result, error="", finished_at=now, leased_until=None
    )
    if not completed:
        raise StepTaken(now)


def _note_retry(step: Step, again: TryAgain) -> None:
    """Until it is tried again the step stays taken: another copy of its message must not come earlier."""
    retry_at = timezone.now() + timedelta(seconds=again.delay)
    with transaction.atomic():
        held = Step.objects.filter(pk=step.pk, state=State.RUNNING, attempts=step.attempts)
        if held.update(state=State.RETRYING, error=_storable(again.reason), leased_until=retry_at):
            runs.mark_retrying(step.run_id, retry_at)
    points.reached(step.run_id, step.name, "retry noted")


def _storable(text: str) -> str:
    """An error's text may come from anywhere: databases refuse NUL characters and lone surrogates."""
    return text.replace("\x00", "").encode(errors="replace").decode()


def _text_of(hindrance: BaseException) -> str:
    return "it reached its time limit" if isinstance(hindrance, SoftTimeLimitExceeded) else str(hindrance)


def _recorded(step: Step) -> Result:
    result: Result = step.result  # type: ignore[assignment]  # "succeeded" is written with a result
    return result
