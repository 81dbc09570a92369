"""Runs: how they begin, what state they are in, how they end."""

from __future__ import annotations

import functools
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, DateTimeField, Exists, F, OuterRef, QuerySet, Value, When
from django.db.models.functions import Now
from django.utils import timezone

from accounts import sql
from accounts.locking import lock_free
from accounts.models import Notice, SignIn, User
from workflows import about, kinds
from workflows.alerting.alerts import raise_alert
from workflows.models import Alert, Run, Step

# How long a new run may stay unpublished before recovery publishes it: longer than a request takes to do so.
UNPUBLISHED = timedelta(seconds=10)
# How long a published run may stand still, once its message has left the queue, before recovery publishes it again.
STALLED = timedelta(seconds=20)
# A notice goes out within a day (notices.DELIVER_WITHIN) or never.
MENDED_WITHIN = timedelta(days=2)


def create_run(sign_in: SignIn) -> Run:
    """The run of ``sign_in`` and its steps, all waiting. Call it in the transaction that writes the sign-in."""
    return _create(Run(kind="sign_in", sign_in=sign_in))


def create_run_of(kind: str, user: User, **facts: Any) -> Run:
    """A run of another kind about ``user``, given ``facts``: ids and what else is small, as JSON has it.

    Call it in the transaction that writes what the run is about, and then ``publishing.publish_on_commit``. Raises
    kinds.UnknownKind.
    """
    return _create(Run(kind=kind, user=user, facts=facts))


def _create(run: Run) -> Run:
    run.recover_at = run.created_at + UNPUBLISHED
    steps = _all_waiting(kinds.get(run.kind))
    sql.execute(
        "INSERT INTO workflows_run (id, kind, state, sign_in_id, user_id, facts, created_at, published, stalls, "
        "recover_at, resumed) VALUES (%(id)s, %(kind)s, %(state)s, %(sign_in)s, %(user)s, %(facts)s, %(created_at)s, "
        "0, 0, %(recover_at)s, 0)",
        Run,
        **{name: getattr(run, name) for name in ("id", "kind", "state", "facts", "created_at", "recover_at")},
        sign_in=run.sign_in_id,
        user=run.user_id,
    )
    sql.execute(steps, Step, run=run.pk)
    run._state.adding = False
    return run


@functools.cache
def _all_waiting(kind: kinds.Kind) -> str:
    rows = (f"(%(run)s, '{step.name}', {step.stage}, '{step.queue}', 'waiting', 0, 0, '')" for step in kind.steps)
    columns = "run_id, name, stage, queue, state, attempts, cut_off, error"
    return f"INSERT INTO workflows_step ({columns}) VALUES {', '.join(rows)}"  # noqa: S608  names


def mark_running(run_id: UUID) -> None:
    """A step of the run is being attempted."""
    sql.execute(
        "UPDATE workflows_run SET state = 'running', started_at = COALESCE(started_at, %(started_at)s) "
        "WHERE id = %(id)s AND state IN ('queued', 'retrying')",
        Run,
        id=run_id,
        started_at=timezone.now(),
    )


def mark_retrying(run_id: UUID, retry_at: datetime) -> None:
    """A step waits to be tried again at ``retry_at``; recovery leaves the run alone until well after that."""
    _unfinished().filter(pk=run_id).update(state=Run.State.RETRYING, recover_at=retry_at + STALLED, stalls=0)


def mark_published(run_id: UUID, results: Any = None) -> None:
    """The broker has the run's canvas, whose ``results`` are this tuple of Celery's.

    Where it had it before, and no operator has asked for it, recovery has healed the run.
    """
    now = timezone.now()
    sql.execute(
        "UPDATE workflows_run SET published = published + 1, asked = FALSE, "
        "healed = healed + CASE WHEN published = 0 OR asked THEN 0 ELSE 1 END, "
        "published_at = %(published_at)s, results = %(results)s, "
        "recover_at = CASE WHEN recover_at > %(recover_at)s THEN recover_at ELSE %(recover_at)s END WHERE id = %(id)s",
        Run,
        id=run_id,
        published_at=now,
        results=results,
        recover_at=now + STALLED,
    )


def mark_interrupted(run_id: UUID, called_at: datetime) -> None:
    """Celery called an error callback of the run's canvas then. Idempotent.

    Where the ledger says that a step failed for good, so did the run. Otherwise the step's process was killed
    before it could say anything, and recovery goes on from there: once for each time that it was published, however
    often Celery calls, and not for ever where the run never gets on.
    """
    if not fail_run_of_failed_step(run_id):
        got_on = Step.objects.filter(run=OuterRef("pk"), finished_at__gte=OuterRef("published_at"))
        _unfinished().filter(pk=run_id, published_at__lte=called_at).update(
            stalls=Case(When(Exists(got_on), then=Value(0)), default=F("stalls") + 1),
            published_at=None,
            recover_at=timezone.now(),
        )


def fail_run_of_failed_step(run_id: UUID) -> bool:
    """Where a step of the run has failed for good, so has the run; whether one has. Idempotent."""
    with transaction.atomic():
        # A person may have it go on just now.
        list(Run.objects.select_for_update().filter(pk=run_id).values_list("pk"))
        failed = Step.objects.filter(run=run_id, state=Step.State.FAILED).exists()
        if failed:
            fail_run(run_id)
    return failed


def mark_lost(moment: datetime) -> int:
    """The broker has lost all it held before ``moment``: recovery publishes those runs again; returns how many.

    Except those that somebody is at: whoever does a step publishes the next. A step that waits to be tried again
    waits in a worker's memory and may still be there: it keeps the time at which recovery looks.
    """
    held = Step.objects.filter(run=OuterRef("pk"), state=Step.State.RUNNING, leased_until__gt=timezone.now())
    retrying = When(state=Run.State.RETRYING, then=F("recover_at"))
    return (
        _unfinished()
        .filter(~Exists(held), published_at__lt=moment)
        .update(published_at=None, recover_at=Case(retrying, default=Value(timezone.now(), DateTimeField())))
    )


def finish_run(run: Run) -> None:
    """All steps are done. Where its notice still has to go out, or could not, the run is ``degraded``."""
    if not run.sign_in_id:
        unsent = about.notices_of(run).exclude(state=Notice.State.SENT)
        _end(run.pk, Run.UNFINISHED, Run.State.DEGRADED if unsent.exists() else Run.State.SUCCEEDED)
        return
    sql.execute(
        "UPDATE workflows_run SET finished_at = %(finished_at)s, state = CASE WHEN EXISTS (SELECT 1 FROM "
        "accounts_notice n WHERE n.sign_in_id = workflows_run.sign_in_id AND n.state <> 'sent') "
        "THEN 'degraded' ELSE 'succeeded' END WHERE id = %(id)s AND state IN ('queued', 'running', 'retrying')",
        Run,
        id=run.pk,
        finished_at=timezone.now(),
    )


def fail_run(run_id: UUID) -> None:
    """A step failed for good: nobody goes on with this run by itself, and the operators are told."""
    with transaction.atomic():
        if _end(run_id, Run.UNFINISHED, Run.State.FAILED):
            raise_alert(Alert.Kind.RUN_FAILED, _errors_of(run_id), run_id)


def mend_degraded_runs() -> int:
    """Runs whose notice has gone out since are ``succeeded``; returns how many."""
    lately = Run.objects.filter(state=Run.State.DEGRADED, finished_at__gte=timezone.now() - MENDED_WITHIN)
    others = (about.whose_notice_went_out(kind, lately) for kind in about.kinds_about_rows())
    return sum(map(_mend, (about.whose_sign_in_notice_went_out(lately), *others)))


@transaction.atomic
def _mend(runs: QuerySet[Run]) -> int:
    """An operator may be at some of them: those are left to the next time."""
    free = list(lock_free(runs).values_list("pk", flat=True))
    return Run.objects.filter(pk__in=free).update(state=Run.State.SUCCEEDED)


def reopen_failed_runs() -> int:
    """Have recovery go on with every failed run from the step that failed; returns how many."""
    reopened = 0
    while batch := _reopen_some():
        reopened += batch
    return reopened


@transaction.atomic
def _reopen_some(most: int = 1000) -> int:
    failed = Run.objects.filter(state=Run.State.FAILED)
    # The runs first: retention locks in this order, too.
    locked = list(failed.select_for_update().order_by("pk").values_list("pk", flat=True)[:most])
    return reopen(locked, recover_at=timezone.now())


def reopen(run_ids: Collection[UUID], recover_at: datetime) -> int:
    """Failed runs are to be gone on with from what failed; returns how many. Lock them first."""
    Step.objects.filter(run__in=run_ids, state=Step.State.FAILED).update(
        state=Step.State.WAITING, started_at=None, finished_at=None, cut_off=0
    )
    return go_on_with(Run.objects.filter(pk__in=run_ids, state=Run.State.FAILED), recover_at)


def go_on_with(ended: QuerySet[Run], recover_at: datetime) -> int:
    """Runs that have ended are under way again, as an operator wants; returns how many.

    Recovery publishes them at ``recover_at``, unless somebody has by then.
    """
    return ended.update(
        state=Run.State.QUEUED,
        finished_at=None,
        published_at=None,
        asked=True,
        stalls=0,
        recover_at=recover_at,
        resumed=F("resumed") + 1,
        resumed_at=timezone.now(),
    )


def hasten(run_id: UUID, recover_at: datetime) -> int:
    """An operator wants an unfinished run published again: recovery does so at ``recover_at``, unless somebody has."""
    retrying = Step.objects.filter(run=OuterRef("pk"), state=Step.State.RETRYING)
    waits_no_longer = When(~Exists(retrying), state=Run.State.RETRYING, then=Value(Run.State.QUEUED))
    state = Case(waits_no_longer, default=F("state"))
    hastened = _unfinished().filter(pk=run_id)
    return hastened.update(state=state, published_at=None, asked=True, stalls=0, recover_at=recover_at)


def cancel_run(run_id: UUID) -> bool:
    """Nobody goes on with this run any more; False where it has ended well, or was cancelled before.

    A step that is being attempted may still note what it did. None is begun after this: whoever begins one looks first
    whether its run has ended, and all that goes on with runs looks for unfinished ones.
    """
    return _end(run_id, (*Run.UNFINISHED, Run.State.FAILED), Run.State.CANCELLED)


def _unfinished() -> QuerySet[Run]:
    return Run.objects.filter(state__in=Run.UNFINISHED)


def _end(run_id: UUID, states: tuple[Run.State, ...], state: Run.State) -> bool:
    ended = Run.objects.filter(pk=run_id, state__in=states).update(state=state, finished_at=Now())
    return ended == 1


def _errors_of(run_id: UUID) -> str:
    failed = Step.objects.filter(run=run_id, state=Step.State.FAILED).values_list("name", "error")
    return "; ".join(f"{name}: {error}" for name, error in failed) or "no step recorded why"
