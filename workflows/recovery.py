"""Finding runs that should have moved and did not, and publishing them again."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from workflows import ledger, publishing
from workflows.models import Run

# How long a recovery that dies between claiming a run and publishing it keeps others from it.
CLAIM = timedelta(seconds=30)


def recover_runs(*, everything: bool = False, most: int = 500) -> int:
    """Publish again up to ``most`` runs that stand still, the longest first; returns how many were published.

    ``everything``: all unfinished runs, also those that only wait their turn. For a broker that is known to hold
    nothing. A broker that does not take one is not asked for the others.
    """
    stalled = Run.objects.filter(state__in=Run.UNFINISHED)
    if not everything:
        stalled = stalled.filter(recover_at__lte=timezone.now())
    recovered = 0
    for run_id, recover_at in stalled.order_by("recover_at").values_list("pk", "recover_at")[:most]:
        if not _claim(run_id, recover_at):
            continue
        if not ledger.may_go_on(run_id):
            continue
        if not publishing.publish(run_id):
            break
        recovered += 1
    return recovered


def _claim(run_id: UUID, recover_at: datetime) -> bool:
    """Of several recoveries at once, one gets the run."""
    claimed = Run.objects.filter(pk=run_id, recover_at=recover_at).update(recover_at=timezone.now() + CLAIM)
    return claimed == 1
