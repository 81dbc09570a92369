"""Runs that take longer than they should: one alert for all of them, and none again until it is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from workflows.alerting.alerts import raise_alert
from workflows.models import Alert, Breaker, Run, Step
from workflows.risk import risk_api
from workflows.steps import Name

# An entry of the cache that is there while runs are stuck, and for these seconds after: what comes again within them
# is the same trouble.
EPISODE = "workflows.alerting.stuck"
LASTS = 600
# A run that was gone on with after it had ended is as old as that.
BEGAN_AT = Coalesce("resumed_at", "created_at")


def look_for_stuck_runs() -> int:
    """Raise an alert where runs are stuck and operators were not told of it yet; returns how many runs are."""
    number = stuck_runs(timezone.now()).count()
    if number:
        with transaction.atomic():
            if cache.add(EPISODE, True, timeout=LASTS):
                _tell(number)
            else:
                cache.touch(EPISODE, timeout=LASTS)
    return number


def stuck_runs(now: datetime) -> QuerySet[Run]:
    """Those that have not ended within RUN_OBJECTIVE seconds, but for those that wait behind an open breaker."""
    overdue = now - timedelta(seconds=settings.RUN_OBJECTIVE)
    stuck = Run.objects.filter(state__in=Run.UNFINISHED).alias(began_at=BEGAN_AT).filter(began_at__lt=overdue)
    if _is_left_alone(since=overdue):
        waiting = Step.objects.filter(run=OuterRef("pk"), name=Name.POST_TO_RISK_API, state=Step.State.RETRYING)
        stuck = stuck.exclude(Exists(waiting), state=Run.State.RETRYING)
    return stuck


def oldest(runs: QuerySet[Run]) -> tuple[UUID, datetime] | None:
    """Which of these began first, and when."""
    return runs.order_by(BEGAN_AT).values_list("pk", BEGAN_AT).first()


def _is_left_alone(since: datetime) -> bool:
    """The risk service, or it was lately: then those that waited for it are still coming back."""
    lately = Q(opened_at__isnull=False) | Q(closed_at__gte=since)
    return Breaker.objects.filter(lately, name=risk_api.host()).exists()


def _tell(number: int) -> None:
    found = oldest(stuck_runs(timezone.now()))
    if found is None:
        return
    run_id, began_at = found
    age = (timezone.now() - began_at).total_seconds()
    are = "run has" if number == 1 else "runs have"
    text = f"{number:,} {are} not ended within {settings.RUN_OBJECTIVE:g} s; the oldest is {age:,.0f} s old"
    raise_alert(Alert.Kind.RUNS_STUCK, text, run_id)
