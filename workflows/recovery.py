"""Finding runs that should have moved and did not, and publishing them again."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from django.db import transaction
from django.db.models import Case, Exists, F, Max, OuterRef, Q, QuerySet, Subquery, When
from django.utils import timezone

from accounts.locking import lock_free
from workflows import backlog, kinds, ledger, publishing, runs
from workflows.models import Run, Step

logger = logging.getLogger(__name__)

# A message is sent a moment after what its run did last, and clocks differ: a run this close to the head of the queue
# may be in it.
SLACK = timedelta(seconds=5)
# As many runs as are published in well under a second: a recovery that dies publishes no more than these once more.
BATCH = 200
# By the name of a queue.
Moments: TypeAlias = dict[str, datetime]


def recover_runs(*, everything: bool = False, seconds: float = 10.0) -> int:
    """Publish again the runs that stand still, the longest first, for ``seconds``; returns how many were published.

    A run stands still where the broker is known to hold nothing of it, or where its message must have left the queue
    and it has not moved since; and nobody is at one of its steps. A run behind a long backlog only waits its turn.
    A broker that has lost everything, as is also taken for granted with ``everything``, holds no run at all.
    """
    began = time.monotonic()
    try:
        left_before = _look(everything=everything)
    except backlog.BrokerAway as error:
        logger.warning("recovery waits for the broker: %s", error)
        return 0
    _note_moves(left_before)
    recovered = 0
    while claimed := _claim(left_before):
        ready = ledger.may_go_on(claimed)
        taken = publishing.publish_all(ready)
        recovered += len(taken)
        if len(taken) < len(ready):
            _release(claimed)
            break
        if time.monotonic() - began > seconds:
            break
    return recovered


def _look(*, everything: bool) -> Moments:
    """Of the broker: what was sent before this moment must have left this queue. Raises BrokerAway."""
    now = timezone.now()
    seen = backlog.look()
    if seen.lost or everything:
        # What another recovery, which saw it too, has published since then is not lost.
        lost = runs.mark_lost(now)
        backlog.mark()
        logger.warning("the broker holds none of the %s unfinished runs: they are published again", lost)
    return {queue: left - SLACK for queue, left in backlog.left_before(seen.heads, runs.STALLED).items()}


def _standing_still(left_before: Moments) -> QuerySet[Run]:
    now = timezone.now()
    held = Step.objects.filter(run=OuterRef("pk"), leased_until__gt=now)
    waits = Q()
    for queue, left in left_before.items():
        # A published run is looked at STALLED after it moved.
        reached = _reached_steps().filter(queue=queue)
        here = Exists(reached.filter(state__in=Step.OPEN)) | Q(Exists(reached), published__gt=1)
        waits |= Q(here, recover_at__gte=left + runs.STALLED)
    # One of a kind that only another version of this site knows is left to a process of that version.
    known = [kind.name for kind in kinds.all_kinds()]
    due = Run.objects.filter(state__in=Run.UNFINISHED, recover_at__lte=now, kind__in=known)
    return due.filter(~Exists(held), Q(published_at=None) | ~waits)


def _reached_steps() -> QuerySet[Step]:
    """Of the run: those in whose queues its messages may be.

    The open ones of these are its next steps, where those of a run that was published once are. One that was published
    again begins with the canvas: its messages pass the queues of what is done, where steps only say what they returned.
    """
    before = Step.objects.filter(run=OuterRef("run"), stage__lt=OuterRef("stage"), state__in=Step.OPEN)
    return Step.objects.filter(~Exists(before), run=OuterRef("pk"))


def _note_moves(left_before: Moments) -> None:
    """A run that got on by a step since it was published has sent its next message then: its wait begins anew.

    It is noted here, and not with each step, because nearly all runs end before anyone asks.
    """
    ended = Step.objects.filter(run=OuterRef("pk")).values("run").annotate(last=Max("finished_at")).values("last")
    _standing_still(left_before).filter(published_at__isnull=False).annotate(moved_at=Subquery(ended)).filter(
        recover_at__lt=F("moved_at") + runs.STALLED
    ).update(recover_at=F("moved_at") + runs.STALLED, stalls=0)


def _claim(left_before: Moments) -> list[UUID]:
    """A batch of the runs that stand still; of several recoveries at once, one gets a run.

    One that dies before it has published them keeps the others off for STALLED.
    """
    still = _standing_still(left_before).order_by("recover_at", "pk")
    with transaction.atomic():
        claimed = list(lock_free(still).values_list("pk", flat=True)[:BATCH])
        Run.objects.filter(pk__in=claimed).update(
            published_at=None,
            recover_at=timezone.now() + runs.STALLED,
            # Only where the broker had it: otherwise it has not had its chance.
            stalls=Case(When(published_at=None, then=F("stalls")), default=F("stalls") + 1),
        )
    return claimed


def _release(claimed: list[UUID]) -> None:
    """Those that the broker has not taken are due as soon as it is back."""
    Run.objects.filter(pk__in=claimed, published_at=None).update(recover_at=timezone.now())
