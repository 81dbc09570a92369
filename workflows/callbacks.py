"""The log of error callbacks: that Celery called one, at which level of the canvas, for which step; each once.

Celery calls one as often as it likes: for a group once for each member that failed and once for the task behind it
(docs/errors.md has the table). It calls them for a step that failed for good, which the ledger knows by then, and for
one whose process was killed before it could say anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from uuid import UUID

from django.db import transaction
from django.db.models import F

from workflows import runs
from workflows.models import CallbackCall, Run, Step

Level = CallbackCall.Level
Reason = CallbackCall.Reason


@transaction.atomic
def note_call(
    run_id: UUID,
    level: Level,
    among: Collection[str] = (),
    *,
    told: str = "",
    then: Callable[[UUID], None] | None = None,
) -> list[str]:
    """Note that the callback of ``level`` was called, and why; returns which of the steps ``among`` these have failed.

    ``told`` is the step for which Celery says that it calls. What is to be done where one ``among`` these, or of all,
    has failed is done by ``then(run_id)``, in the transaction that notes the call: there are both, or neither, and
    whoever finds no call makes it up (missed_calls.py). Where none has failed a process was killed, and recovery goes
    on at once.
    """
    # Of two calls at once the second waits here; and so does retention.
    run = Run.objects.select_for_update().filter(pk=run_id).first()
    if run is None:  # retention has deleted it
        return []
    steps = list(Step.objects.filter(run=run).order_by("pk"))
    about = _about(steps, told) or [step for step in steps if not among or step.name in among]
    if failed := [step for step in about if step.state == Step.State.FAILED]:
        _note(run, level, Reason.FAILED, _names(failed))
    else:
        _note(run, level, Reason.INTERRUPTED, _names(about) if told else _interrupted(about))
    runs.mark_interrupted(run_id)
    own = [name for name in _names(failed) if not among or name in among]
    if own and then:
        then(run_id)
    return own


def _about(steps: list[Step], told: str) -> list[Step]:
    """Those for which Celery calls where it names this one.

    For a group that failed it names the task behind it, which has not been attempted.
    """
    for step in steps:
        if step.name == told:
            before = [other for other in steps if other.stage < step.stage and other.state not in Step.DONE]
            return [step] if step.state == Step.State.FAILED or not before else before
    return []


def _interrupted(about: list[Step]) -> list[str]:
    """A step in the database leaves no trace where its process is killed."""
    if len(about) == 1:
        return _names(about)
    return _names([step for step in about if step.state == Step.State.RUNNING]) or [""]


def _names(steps: list[Step]) -> list[str]:
    return [step.name for step in steps]


def _note(run: Run, level: Level, reason: Reason, names: list[str]) -> None:
    for name in names:
        call, is_first = CallbackCall.objects.get_or_create(
            run=run, level=level, step=name, reason=reason, resumed=run.resumed
        )
        if not is_first:
            CallbackCall.objects.filter(pk=call.pk).update(calls=F("calls") + 1)
