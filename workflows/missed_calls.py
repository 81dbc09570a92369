"""Error callbacks that nobody called, or whose call was lost: they are called again.

Celery publishes an error callback as a task. It is lost with the broker, or with the worker that had taken it; where a
whole worker dies between "the step failed" and calling, or where recovery gives a step up, nobody calls at all. What
the callbacks do (a sign-in without a verdict is flagged, a notice is given up) has to happen all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from celery import Signature
from django.core.cache import cache
from django.db.models import Case, Count, F, IntegerField, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from workflows import kinds, publishing
from workflows.canvas import error_callbacks
from workflows.models import CallbackCall, Run, Step

# How long Celery has for its own call, and each call that is made up for its way.
PATIENCE = timedelta(seconds=30)
# Longer than workers are away for a weekend. A callback that days of calls did not have noted will not be by another.
LATELY = timedelta(days=3)
# Steps at once.
BATCH = 500
CLAIM = "workflows.missed_calls.claim"


def make_up_missed_calls() -> int:
    """Call the error callbacks that are missing from the log of runs that failed lately; returns how many."""
    steps = list(_with_calls_missing()[:BATCH])
    # The claim of an entry of the cache: calls that are on their way are not made up again meanwhile.
    if not steps or not cache.add(CLAIM, True, timeout=PATIENCE.total_seconds()):
        return 0
    return publishing.publish_error_callbacks(call for step in steps for call in _missing_of(step))


def _with_calls_missing() -> QuerySet[Step]:
    """Runs that failed lately are few, and have an index of their own. A member of the group may fail after its run."""
    now = timezone.now()
    lately = now - LATELY - timedelta(hours=1)
    noted = _calls_of(step=OuterRef("name"), run=OuterRef("run"), resumed=OuterRef("run__resumed"))
    number = noted.order_by().values("run").annotate(number=Count("pk")).values("number")
    return (
        Step.objects.filter(run__state=Run.State.FAILED, run__finished_at__gte=lately, state=Step.State.FAILED)
        .filter(finished_at__range=(now - LATELY, now - PATIENCE))
        .annotate(noted=Coalesce(Subquery(number), 0), expected=_expected())
        .filter(noted__lt=F("expected"))
        .select_related("run")
    )


def _expected() -> Case:
    """How many levels of the step's canvas have an error callback for it; none of a kind that is no more."""
    return Case(
        *(
            When(run__kind=kind.name, name=step.name, then=Value(len(step.error_levels)))
            for kind in kinds.all_kinds()
            for step in kind.steps
        ),
        default=Value(0),
        output_field=IntegerField(),
    )


def _missing_of(step: Step) -> Iterator[tuple[Signature[Any], str]]:
    """What is to be called, and the id of the task for which."""
    noted = set(_calls_of(step=step.name, run=step.run, resumed=step.run.resumed).values_list("level", flat=True))
    workflow = kinds.get(step.run.kind).canvas(str(step.run_id))
    for level, errback in error_callbacks(workflow, step.name).items():
        if level not in noted:
            yield errback, step.task_id


def _calls_of(**of: Any) -> QuerySet[CallbackCall]:
    return CallbackCall.objects.filter(reason=CallbackCall.Reason.FAILED, **of)
