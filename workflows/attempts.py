"""The attempts at a step that did not do it: put off, failed, or killed. The one that did, the step's row tells of.

Nothing here is on the way of a step that is done at its first attempt.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.database import storable
from workflows.models import Attempt, Step

Outcome = Attempt.Outcome
KILLED = "its process was killed"


def note_attempt(step: Step, outcome: Outcome, error: str, next_at: datetime | None = None) -> None:
    """The attempt that the step is at has ended without doing it."""
    now = timezone.now()
    Attempt.objects.update_or_create(
        step=step,
        number=step.attempts,
        defaults={
            "outcome": outcome,
            "began_at": step.attempted_at or now,
            "ended_at": now,
            "next_at": next_at,
            "error": storable(error),
        },
    )


def note_killed(step: Step) -> None:
    """The attempt that the step is at was killed: its lease is over, and its row, which is locked, calls it running."""
    note_attempt(step, Outcome.KILLED, KILLED)
    Step.objects.filter(pk=step.pk).update(state=Step.State.WAITING, leased_until=None, cut_off=F("cut_off") + 1)


@transaction.atomic
def end_killed(run_ids: Collection[UUID]) -> None:
    """Of these runs, note the attempts that still count as running although their lease is over."""
    free = Q(leased_until=None) | Q(leased_until__lte=timezone.now())
    for step in Step.objects.select_for_update().filter(free, run__in=run_ids, state=Step.State.RUNNING):
        note_killed(step)


def number_anew(step: Step) -> int:
    """Which attempt the step is at, counted from its first, or from the first after a person had it begin anew."""
    if step.attempts == 1:
        return 1
    return 1 + Attempt.objects.filter(step=step, number__lt=step.attempts, began_at__gte=step.started_at).count()


def hindered_since(step: Step) -> int:
    """How often the step was hindered since it was first attempted, or first after a person had it begin anew."""
    return Attempt.objects.filter(step=step, outcome=Outcome.HINDERED, began_at__gte=step.started_at).count()
