"""How many messages of a job are under way: one a lane, whatever is lost or delivered twice.

A message names its lane and turn. Who takes it makes the turn one more, so that every other copy of it is old; what it
does it commits under a lock on the lane and only while the turn is its own. At the end of its slice of time it
publishes the next. Where it was killed, or the message was lost, the sweep finds the lane due and publishes it anew.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from workflows.bulk import messages
from workflows.bulk.models import BulkJob, BulkLane

# Of one job. Two keep a database busy that answers one, and leave workers of many processes to the sign-ins.
LANES = 2
# Longer than the hard time limit of a task: who works still holds its lane.
LEASE = timedelta(seconds=35)
# A message may wait behind sign-ins for longer: then it finds itself old, and another is there.
PATIENCE = timedelta(seconds=60)


class TurnLost(Exception):
    """Another has the lane now."""


@dataclass(frozen=True)
class Turn:
    job: UUID
    lane: int
    number: int

    @property
    def message(self) -> tuple[str, int, int]:
        return str(self.job), self.lane, self.number


def lock(job: BulkJob) -> None:
    """Before the job's row is locked: who works locks its lane first, and then the job."""
    list(BulkLane.objects.select_for_update().filter(job=job).order_by("number"))


def begin(job: BulkJob, lanes: int = LANES) -> None:
    """Have so many lanes go on with the job, and the others end. What was under way before is old from now on."""
    for number in range(LANES):
        BulkLane.objects.get_or_create(job=job, number=number)
    BulkLane.objects.filter(job=job, number__gte=lanes).update(turn=F("turn") + 1, attempts=0, due_at=None)
    _start(job, range(lanes))


def go_on(job: BulkJob) -> None:
    """Have the free lanes go on. Another is not taken from who holds it, who goes on, or the sweep does after that:
    somebody may have just got a mail that is not written down yet.
    """
    free = BulkLane.objects.filter(job=job).exclude(due_at__gt=timezone.now())
    _start(job, list(free.values_list("number", flat=True)))


def are_free(job: BulkJob) -> bool:
    """Whether nobody is at the job, nor a message of it under way."""
    return not BulkLane.objects.filter(job=job, due_at__gt=timezone.now()).exists()


def take(turn: Turn) -> Turn | None:
    """Begin this turn; None where the message is old. Returns what the taker holds the lane by."""
    taken = _lane(turn).update(turn=F("turn") + 1, attempts=F("attempts") + 1, due_at=timezone.now() + LEASE)
    return Turn(turn.job, turn.lane, turn.number + 1) if taken else None


def hold(turn: Turn) -> BulkLane:
    """Lock the lane until the transaction ends. Raises TurnLost."""
    # Without what the chunk has written so far, which nobody reads here.
    held = _lane(turn).select_for_update(of=("self",)).select_related("chunk").defer("chunk__output")
    lane = held.first()
    if lane is None:
        raise TurnLost
    return lane


def attempts(turn: Turn) -> int:
    """Turns since the lane last got on, with this one. Raises TurnLost."""
    number = _lane(turn).values_list("attempts", flat=True).first()
    if number is None:
        raise TurnLost
    return number


def write_down(turn: Turn, what: dict[str, Any]) -> None:
    """What became of rows since they were last counted. Raises TurnLost."""
    if not _lane(turn).update(written=what):
        raise TurnLost


def hand_on(turn: Turn) -> None:
    """The slice of time is over: the next message goes on."""
    if _lane(turn).update(due_at=timezone.now() + PATIENCE) and not messages.send("work", turn.message):
        rest(turn, 0)


def rest(turn: Turn, seconds: float, *, tried: bool = False) -> None:
    """Nothing can be done now: the sweep goes on after that. Where it was not ``tried``, it is nobody's fault."""
    attempts = {} if tried else {"attempts": 0}
    _lane(turn).update(due_at=timezone.now() + timedelta(seconds=seconds), **attempts)


def end(turn: Turn) -> None:
    """There is nothing left for this lane."""
    _lane(turn).update(due_at=None, attempts=0)


def revive_due(most: int = 100) -> int:
    """Publish anew what was killed, lost, or has rested; returns how many lanes."""
    now = timezone.now()
    revived = 0
    due = BulkLane.objects.filter(due_at__lte=now, job__state__in=BulkJob.ACTIVE).order_by("due_at")
    for lane in due[:most]:
        turn = Turn(lane.job_id, lane.number, lane.turn + 1)
        if not _lane(_turn_of(lane)).filter(due_at=lane.due_at).update(turn=turn.number, due_at=now + PATIENCE):
            continue
        if not messages.send("work", turn.message):
            rest(turn, 0)
            break
        revived += 1
    return revived


def _start(job: BulkJob, numbers: Collection[int]) -> None:
    lanes = BulkLane.objects.filter(job=job, number__in=numbers)
    lanes.update(turn=F("turn") + 1, attempts=0, due_at=timezone.now() + PATIENCE)
    transaction.on_commit(partial(_publish, [_turn_of(lane) for lane in lanes]), robust=True)


def _publish(turns: list[Turn]) -> None:
    if turns and not messages.send("work", *(turn.message for turn in turns)):
        for turn in turns:
            rest(turn, 0)


def _lane(turn: Turn) -> QuerySet[BulkLane]:
    return BulkLane.objects.filter(job=turn.job, number=turn.lane, turn=turn.number)


def _turn_of(lane: BulkLane) -> Turn:
    return Turn(lane.job_id, lane.number, lane.turn)
