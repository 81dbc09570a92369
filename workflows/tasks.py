"""The steps as Celery tasks: each takes the run's id, calls its function and returns what that returns."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from celery.exceptions import Ignore, SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

from workflows import ledger, runs, steps
from workflows.ledger import Result
from workflows.models import Step

# Seconds after which a step that reached its soft time limit is tried again.
TIME_LIMIT_DELAY = 10.0
LONGEST_TAKEN_DELAY = 10.0
# With a database that is away for longer than all these retries (about ten minutes), recovery goes on.
DATABASE_RETRIES = 14
LONGEST_DATABASE_DELAY = 60.0


class StepTask(Task[[str], Result]):
    """A task that attempts one step of a run, and says in Celery's words what the ledger says in its own."""

    max_retries = None

    @property
    def step(self) -> Step.Name:
        return Step.Name(self.name.rpartition(".")[2])

    def attempt(self, do: Callable[[UUID], Result], run_id: str) -> Result:
        try:
            return do(UUID(run_id))
        except ledger.TryAgain as again:
            raise self.retry(exc=again, countdown=again.delay) from again
        except SoftTimeLimitExceeded as limit:
            later = ledger.TryAgain("it reached its time limit", TIME_LIMIT_DELAY)
            ledger.note_interrupted(UUID(run_id), self.step, later)
            raise self.retry(exc=later, countdown=later.delay) from limit
        except ledger.StepTaken as taken:
            # The other is done in a moment, or it was killed, and its lease has to run out.
            raise self.retry(exc=taken, countdown=min(2.0**self.request.retries, LONGEST_TAKEN_DELAY)) from taken
        except ledger.StepClosed as closed:
            raise Ignore(str(closed)) from closed
        except (OperationalError, InterfaceError) as error:
            delay = min(2.0**self.request.retries, LONGEST_DATABASE_DELAY) * random.uniform(0.5, 1)  # noqa: S311
            raise self.retry(exc=error, countdown=delay, max_retries=DATABASE_RETRIES) from error

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Called by Celery once the task has failed for good."""
        run_id = UUID(args[0])
        ledger.record_failure(run_id, self.step, f"{type(exc).__name__}: {exc}")
        runs.fail_run(run_id)


@shared_task(bind=True, base=StepTask)
def check_device(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.check_device, run_id)


# Longer than the mail server's EMAIL_TIMEOUT for each of connecting, greeting and sending.
@shared_task(bind=True, base=StepTask, soft_time_limit=45, time_limit=60)
def notify_user(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.notify_user, run_id)


@shared_task(bind=True, base=StepTask)
def save_event(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.save_event, run_id)


@shared_task(bind=True, base=StepTask, soft_time_limit=25, time_limit=30)
def post_to_risk_api(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.post_to_risk_api, run_id)


@shared_task(bind=True, base=StepTask)
def post_process(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.post_process, run_id)


@shared_task(ignore_result=True)
def on_canvas_error(run_id: str) -> None:
    """The error callback of the whole canvas."""
    runs.mark_interrupted(UUID(run_id))
