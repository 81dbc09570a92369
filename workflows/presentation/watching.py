"""What a page that shows a run has to ask, and how often: cheaply, and the more rarely the longer nothing happens."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from accounts import sql
from accounts.models import Notice, SignIn
from workflows import kinds
from workflows.about import notices_of
from workflows.models import Run, Step, task_id_of

# Seconds between two questions.
SHORTEST, LONGEST = 1, 30
# Celery writes its result of a step when the ledger has committed: seconds for which that is waited for at the end.
SETTLES_WITHIN = 10
# Error callbacks are tasks of their own, and one that is lost is made up after half a minute (missed_calls.py).
CALLED_WITHIN = 120

# One row a step. Celery's state belongs to what the page shows, and so do the error callbacks: those of the step that
# failed, and all. The columns of FIELDS, and then three of no model.
STATEMENT = """
SELECT r.kind, r.state, r.created_at, r.published_at, r.finished_at, r.published, r.resumed,
    i.user_id, r.user_id, n.state, n.attempts, n.next_attempt_at,
    s.name, s.stage, s.state, s.attempts, s.attempted_at, s.finished_at, s.leased_until, t.status,
    CASE WHEN s.state = 'failed' THEN (SELECT COUNT(*) FROM workflows_callbackcall c
        WHERE c.run_id = r.id AND c.step = s.name AND c.reason = 'failed' AND c.resumed = r.resumed) END,
    (SELECT SUM(c.calls) FROM workflows_callbackcall c WHERE c.run_id = r.id)
FROM workflows_run r
LEFT JOIN accounts_signin i ON i.id = r.sign_in_id
LEFT JOIN accounts_notice n ON n.sign_in_id = r.sign_in_id
LEFT JOIN workflows_step s ON s.run_id = r.id
LEFT JOIN django_celery_results_taskresult t ON t.task_id = %(prefix)s || s.name
WHERE r.id = %(id)s ORDER BY s.id
"""
# What a page tells of a mail that follows.
NOTICE = ("state", "attempts", "next_attempt_at")
NO_NOTICE = (None,) * len(NOTICE)
FIELDS = (
    *((Run, name) for name in ("kind", "state", "created_at", "published_at", "finished_at", "published", "resumed")),
    *((SignIn, "user"), (Run, "user"), *((Notice, name) for name in NOTICE)),
    *((Step, name) for name in ("name", "stage", "state", "attempts", "attempted_at", "finished_at", "leased_until")),
)
OF_STEPS = 12  # where those begin


@dataclass(frozen=True)
class SeenStep:
    """``called``: at how many levels Celery called an error callback for it, as it stands failed."""

    name: str
    stage: int
    state: str
    attempts: int
    attempted_at: datetime | None
    finished_at: datetime | None
    leased_until: datetime | None
    celery_state: str | None
    called: int | None

    @property
    def is_settled(self) -> bool:
        """Celery's result says by now what the ledger does."""
        awaited = {Step.State.SUCCEEDED: "SUCCESS", Step.State.FAILED: "FAILURE"}.get(Step.State(self.state))
        return awaited is None or self.celery_state == awaited


@dataclass(frozen=True)
class Glance:
    """A run as one statement tells it: ``version`` changes with all that its pages show, but the clock.

    ``owner`` is the id of whom it is about; ``poll`` in how many seconds it is worth another glance, 0 for never.
    """

    owner: int
    state: str
    version: str
    poll: int


def glance(run_id: UUID) -> Glance | None:
    """None where there is no such run."""
    values = sql.in_database_form(Run, {"id": run_id}) | {"prefix": task_id_of(run_id, "")}
    with connection.cursor() as cursor:
        sql.run(cursor, STATEMENT, values)
        rows = cursor.fetchall()
    if not rows:
        return None
    first = sql.values(rows[0], *FIELDS)
    steps = [SeenStep(*sql.values(row, *FIELDS)[OF_STEPS:-1]) for row in rows if row[OF_STEPS] is not None]
    kind, state, created_at, published_at, finished_at, _, _, signed_in, user, *notice = first[:OF_STEPS]
    now = timezone.now()
    if state in Run.UNFINISHED:
        poll = _while_it_moves([created_at, published_at], steps, now)
    else:
        # Of a run that has succeeded, its verdict may have asked for a mail that is none of its steps'.
        may_follow = state != Run.State.SUCCEEDED
        if may_follow and not signed_in:
            notice = _notice_of_no_sign_in(run_id)
        poll = _while_it_is_told(kind, state, finished_at, steps, now) if finished_at else 0
        if may_follow and notice[0] == Notice.State.HANDED_OVER:
            poll = poll or LONGEST
    return Glance(owner=signed_in or user, state=state, version=_version(rows, notice), poll=poll)


def _notice_of_no_sign_in(run_id: UUID) -> list[Any]:
    """By a statement of its own: what such a run is about is in its facts, and there are few."""
    run = Run.objects.filter(pk=run_id).first()
    found = notices_of(run).values_list(*NOTICE).first() if run else None
    return list(found or NO_NOTICE)


def _version(rows: Sequence[Sequence[Any]], notice: list[Any]) -> str:
    return hashlib.blake2s(repr((rows, notice)).encode(), digest_size=8).hexdigest()


def _while_it_moves(times: list[datetime | None], steps: list[SeenStep], now: datetime) -> int:
    pauses = [step.leased_until for step in steps if step.state == Step.State.RETRYING and step.leased_until]
    to_come = [until for until in pauses if until > now]
    if to_come and not _another_moves(steps):
        return min(math.ceil((min(to_come) - now).total_seconds()) + 1, LONGEST)
    begun = [time for step in steps for time in (step.attempted_at, step.finished_at)]
    # What is due since is as good as something that happened.
    due = [until for until in pauses if until <= now]
    return pace(now - max(time for time in (*times, *begun, *due) if time))


def _another_moves(steps: list[SeenStep]) -> bool:
    """Beside one that waits to be tried again, another of its group is under way, or about to be."""
    stages = {step.stage for step in steps if step.state == Step.State.RETRYING}
    return any(step.stage in stages and step.state in (Step.State.WAITING, Step.State.RUNNING) for step in steps)


def pace(quiet: timedelta) -> int:
    """In how many seconds to ask again where nothing has happened for so long: after as long again."""
    return min(max(int(quiet.total_seconds()), SHORTEST), LONGEST)


def _while_it_is_told(kind: str, state: str, finished_at: datetime, steps: list[SeenStep], now: datetime) -> int:
    """The run has ended; Celery's results and its error callbacks follow what the ledger knows."""
    failed = [step for step in steps if state == Run.State.FAILED and step.state == Step.State.FAILED]
    expected = _expected_calls(kind)
    # A member of the group may fail after its run.
    ended = max([finished_at, *(step.finished_at for step in failed if step.finished_at)])
    quiet = (now - ended).total_seconds()
    settles = quiet < SETTLES_WITHIN and not all(step.is_settled for step in steps)
    is_called = quiet < CALLED_WITHIN and any((step.called or 0) < expected.get(step.name, 0) for step in failed)
    return pace(now - ended) if settles or is_called else 0


def _expected_calls(kind: str) -> dict[str, int]:
    """By the name of a step, at how many levels an error callback is called where it fails; {} of an unknown kind."""
    return {step.name: len(step.error_levels) for each in kinds.all_kinds() if each.name == kind for step in each.steps}
