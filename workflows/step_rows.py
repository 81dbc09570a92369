"""The row of a step while it is attempted: locked, claimed, completed, each by one statement that is written out.

What each step of each run needs is most of what a step costs (accounts/sql.py).
"""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from django.db import connection
from django.utils import timezone

from accounts import sql
from accounts.models import SignIn, User
from workflows import attempts, runs
from workflows.models import Run, Step


class StepTaken(Exception):
    """Another worker holds this step's lease, ``until`` it ends."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"another worker is at it until {until:%H:%M:%S}")
        self.until = until


class StepClosed(Exception):
    """The step has failed for good, or its run has ended: there is nothing to do."""


def lock(run_id: UUID, name: str) -> Step:
    """Begin an attempt at the step, whose row is locked until the transaction ends, or find it done.

    The step comes with its run, sign-in and user. Raises StepClosed, StepTaken.
    """
    row = sql.fetch(_locking(), Step, run=run_id, name=name)
    if row is None:
        raise Step.DoesNotExist(f"run {run_id} has no step {name}")
    step, run, sign_in, user = cast(tuple[Step, Run, SignIn, User], sql.read(row, Step, Run, SignIn, User))
    step.run = run
    if sign_in.pk is None:  # there is none: the run is about the user
        run.sign_in, run.user = None, user
    else:
        run.sign_in, sign_in.user = sign_in, user
    if step.state in Step.DONE:
        return step
    if step.state == Step.State.FAILED or (run.is_finished and not _failed_beside(step)):
        raise StepClosed(f"{step} is {step.state} and its run {run.state}")
    now = timezone.now()
    if step.leased_until and step.leased_until > now:
        raise StepTaken(step.leased_until)
    if step.state == Step.State.RUNNING:  # whoever was at it is no more
        attempts.note_killed(step)
    step.attempts += 1
    step.attempted_at = now
    step.started_at = step.started_at or now
    return step


def _failed_beside(step: Step) -> bool:
    """Whether the step's run has failed by another member of its group: what came of that one is no matter of this one.

    Which of them is first is chance.
    """
    beside = Step.objects.filter(run=step.run, stage=step.stage, state=Step.State.FAILED)
    return step.run.state == Run.State.FAILED and beside.exists()


def claim(step: Step, lease: timedelta) -> None:
    """Keep others off the step while it is attempted. Its row is locked."""
    _mark_running(step)
    sql.execute(
        "UPDATE workflows_step SET state = 'running', attempts = %(attempts)s, started_at = %(started_at)s, "
        "attempted_at = %(attempted_at)s, leased_until = %(leased_until)s WHERE id = %(id)s",
        Step,
        id=step.pk,
        attempts=step.attempts,
        started_at=step.started_at,
        attempted_at=step.attempted_at,
        leased_until=timezone.now() + lease,
    )


def complete(step: Step, result: dict[str, Any]) -> None:
    """Mark the step done. Raises StepTaken where its lease ran out and another worker claimed it meanwhile."""
    _mark_running(step)
    now = timezone.now()
    completed = sql.execute(
        "UPDATE workflows_step SET state = 'succeeded', attempts = %(attempts)s, started_at = %(started_at)s, "
        "attempted_at = %(attempted_at)s, finished_at = %(finished_at)s, leased_until = NULL, "
        "result = %(result)s, error = '' "
        # Running or not: an attempt that was taken for killed too soon counts where nobody has begun another.
        "WHERE id = %(id)s AND state IN ('waiting', 'running', 'retrying') AND attempts <= %(attempts)s",
        Step,
        id=step.pk,
        attempts=step.attempts,
        started_at=step.started_at,
        attempted_at=step.attempted_at,
        finished_at=now,
        result=result,
    )
    if not completed:
        raise StepTaken(now)


@functools.cache
def _locking() -> str:
    tables = {"s": Step, "r": Run, "i": SignIn, "u": User}
    return (
        f"SELECT {', '.join(sql.columns(model, alias) for alias, model in tables.items())} "  # noqa: S608  names
        "FROM workflows_step s JOIN workflows_run r ON r.id = s.run_id "
        "LEFT JOIN accounts_signin i ON i.id = r.sign_in_id "
        "JOIN accounts_user u ON u.id = COALESCE(i.user_id, r.user_id) "
        "WHERE s.run_id = %(run)s AND s.name = %(name)s"
        # SQLite has locked everything by then.
        + (" FOR UPDATE OF s" if connection.features.has_select_for_update_of else "")
    )


def _mark_running(step: Step) -> None:
    """The run's row is locked from here to the end of the transaction, which the sign-in's request may wait for."""
    if step.run.state != Run.State.RUNNING:
        runs.mark_running(step.run_id)
        step.run.state = Run.State.RUNNING
