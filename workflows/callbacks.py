"""The log of error callbacks: that Celery called one, at which level of the canvas, for which step; each once.

Celery calls one as often as it likes: for a group once for each member that failed and once for the task behind it
(docs/errors.md has the table). It calls them for a step that failed for good, which the ledger knows by then, and for
one whose process was killed before it could say anything. A call may come late: recovery, or a person, has had the run
go on since it was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from workflows import runs
from workflows.models import Attempt, CallbackCall, Run, Step

Level = CallbackCall.Level
Reason = CallbackCall.Reason


@transaction.atomic
def note_call(
    run_id: UUID,
    level: Level,
    told: Collection[str],
    *,
    among: Collection[str] = (),
    sent_at: datetime | None = None,
    then: Callable[[UUID], None] | None = None,
) -> list[str]:
    """Note that the callback of ``level`` was called, and why; returns which of the steps ``among`` these have failed.

    ``told`` are the steps for which Celery called, at ``sent_at``. What is to be done where one of them has failed that
    is ``among`` these, or any, is done by ``then(run_id)``, in the transaction that notes the call: there are both, or
    neither, and whoever finds no call makes it up (missed_calls.py). Where none has failed a process was killed, and
    recovery goes on at once, unless it has since.
    """
    # Of two calls at once the second waits here; and so does retention.
    run = Run.objects.select_for_update().filter(pk=run_id).first()
    if run is None:  # retention has deleted it
        return []
    sent_at = sent_at or timezone.now()
    about = list(Step.objects.filter(run=run, name__in=told).order_by("pk"))
    failed = [step.name for step in about if step.state == Step.State.FAILED]
    if failed:
        _note(run, level, Reason.FAILED, failed, run.resumed)
    elif had_failed := _had_failed(run, about, sent_at):
        _note(run, level, Reason.FAILED, had_failed, run.resumed - 1)
    else:
        _note(run, level, Reason.INTERRUPTED, [step.name for step in about] or [""], run.resumed)
    runs.mark_interrupted(run_id, sent_at)
    own = [name for name in failed if not among or name in among]
    if own and then:
        then(run_id)
    return own


def _had_failed(run: Run, about: list[Step], sent_at: datetime) -> list[str]:
    """Those with which a person had the run go on since the call was sent, and that had failed by then."""
    if not run.resumed_at or run.resumed_at <= sent_at:
        return []
    failures = Attempt.objects.filter(step__in=about, outcome=Attempt.Outcome.FAILED, ended_at__lte=sent_at)
    return sorted(set(failures.values_list("step__name", flat=True)))


def _note(run: Run, level: Level, reason: Reason, names: Iterable[str], resumed: int) -> None:
    for name in names:
        call, is_first = CallbackCall.objects.get_or_create(
            run=run, level=level, step=name, reason=reason, resumed=resumed
        )
        if not is_first:
            CallbackCall.objects.filter(pk=call.pk).update(calls=F("calls") + 1)
