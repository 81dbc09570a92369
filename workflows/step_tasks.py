"""What the tasks of all steps have in common: the ledger's words in Celery's."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from celery.exceptions import Ignore, SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from accounts.backoff import pause
from workflows import callbacks, ledger, runs
from workflows.backlog import SENT_AT
from workflows.ledger import Result
from workflows.models import CallbackCall
from workflows.results.backend import FAILED_MEMBERS

Level = CallbackCall.Level

# Seconds until a step is looked at again that another worker holds, at most.
LONGEST_TAKEN_DELAY = 300.0
# Seconds between attempts while the database is away: doubled each time.
FIRST_DATABASE_DELAY = 1.0
LONGEST_DATABASE_DELAY = 60.0


class StepTask(Task[[str], Result]):
    """A task that attempts one step of a run, and says in Celery's words what the ledger says in its own."""

    Request = "workflows.worker.requests:StepRequest"
    max_retries = None
    # What pages call the step, and whether a run may go on without it.
    title = ""
    skippable = False

    @property
    def step(self) -> str:
        return self.name.rpartition(".")[2]

    def attempt(self, do: Callable[[UUID], Result], run_id: str) -> Result:
        try:
            return do(UUID(run_id))
        except ledger.TryAgain as again:
            raise self.retry(exc=again, countdown=again.delay) from again
        except ledger.StepTaken as taken:
            # The other goes on with the run when it is done; where it was killed, its lease has to run out.
            left = (taken.until - timezone.now()).total_seconds()
            countdown = min(max(left, 0.0), LONGEST_TAKEN_DELAY) + random.uniform(0.5, 1.0)  # noqa: S311  spreads load
            raise self.retry(exc=taken, countdown=countdown) from taken
        except ledger.StepClosed as closed:
            runs.fail_run_of_failed_step(UUID(run_id))
            raise Ignore(str(closed)) from closed
        except (OperationalError, InterfaceError, SoftTimeLimitExceeded) as error:
            countdown = pause(self.request.retries + 1, first=FIRST_DATABASE_DELAY, longest=LONGEST_DATABASE_DELAY)
            raise self.retry(exc=error, countdown=countdown) from error
        except Exception as error:
            # Before Celery calls the error callbacks, which ask the ledger what happened.
            ledger.fail_step(UUID(run_id), self.step, f"{type(error).__name__}: {error}")
            raise


def step_task(title: str, **options: Any) -> Callable[[Callable[[StepTask, str], Result]], StepTask]:
    """Makes the task of a step, which pages call ``title``; ``options`` are Celery's, and whether it is skippable."""
    return shared_task(bind=True, base=StepTask, title=title, **options)


class ErrorCallback(Task[..., None]):
    """A task that Celery publishes when a step has failed, or was killed, and that notes for which and at which level.

    To be bound, because Celery publishes those; others it would call within the task that failed.
    """

    ignore_result = True
    level = Level.CHAIN

    def note(self, run_id: str, among: Collection[str] = (), then: Callable[[UUID], None] | None = None) -> None:
        """``then`` is done where a step ``among`` these, or of all, has failed for good."""
        headers = self.request.headers or {}
        # The parent is the task that failed; or the one behind the group, of whose members some did.
        task_ids = headers.get(FAILED_MEMBERS) or [self.request.parent_id or ""]
        told = [task_id.rpartition(".")[2] for task_id in task_ids]
        sent_at = datetime.fromtimestamp(headers[SENT_AT], UTC) if SENT_AT in headers else None
        callbacks.note_call(UUID(run_id), self.level, told, among=among, sent_at=sent_at, then=then)


@shared_task(bind=True, base=ErrorCallback, level=Level.GROUP)
def on_group_error(self: ErrorCallback, run_id: str, *names: str) -> None:
    """One of the members of these names failed, or was killed."""
    self.note(run_id, names)


@shared_task(bind=True, base=ErrorCallback, level=Level.CHAIN)
def on_chain_error(self: ErrorCallback, run_id: str) -> None:
    """Any of the chain's steps failed, or was killed."""
    self.note(run_id)
