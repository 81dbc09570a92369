"""The log of error callbacks: that Celery called one, at which level of the canvas, for which step; each once.

Celery calls one as often as it likes: for a group once for each member that failed and once for the task behind it
(docs/errors.md has the table). It calls them for a step that failed for good, which the ledger knows by then, and for
one whose process was killed before it could say anything.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import F, QuerySet

from workflows import runs
from workflows.models import CallbackCall, Run, Step

Level = CallbackCall.Level
Reason = CallbackCall.Reason


def note_call(run_id: UUID, level: Level, among: Collection[str] = ()) -> list[str]:
    """Note that the callback of ``level`` was called for a step ``among`` these, or of all; returns which have failed.

    Where none has, a process was killed, and recovery goes on at once.
    """
    run = Run.objects.filter(pk=run_id).first()
    if run is None:  # retention has deleted it
        return []
    steps = Step.objects.filter(run=run, **({"name__in": among} if among else {}))
    failed = _names(steps, Step.State.FAILED)
    if failed:
        _note(run, level, Reason.FAILED, failed)
    else:
        # A step in the database leaves no trace where its process is killed.
        killed = list(among) if len(among) == 1 else _names(steps, Step.State.RUNNING)
        _note(run, level, Reason.INTERRUPTED, killed or [""])
    runs.mark_interrupted(run_id)
    return failed


def _names(steps: QuerySet[Step], state: Step.State) -> list[str]:
    return list(steps.filter(state=state).order_by("pk").values_list("name", flat=True))


def _note(run: Run, level: Level, reason: Reason, names: list[str]) -> None:
    for name in names:
        call, is_first = CallbackCall.objects.get_or_create(
            run=run, level=level, step=name, reason=reason, resumed=run.resumed
        )
        if not is_first:
            CallbackCall.objects.filter(pk=call.pk).update(calls=F("calls") + 1)
