"""The steps as Celery tasks: each takes the run's id, calls its function and returns what that returns."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from celery.exceptions import Ignore, SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from workflows import ledger, runs, steps
from workflows.ledger import Result
from workflows.models import Step

# Seconds between attempts at a step that another worker holds, and while the database is away, at most.
LONGEST_TAKEN_DELAY = steps.LONGEST_RISK_DELAY
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
        except ledger.StepTaken as taken:
            # The other goes on with the run when it is done; where it was killed, its lease has to run out.
            left = (taken.until - timezone.now()).total_seconds()
            raise self.retry(exc=taken, countdown=min(max(left, 1.0), LONGEST_TAKEN_DELAY)) from taken
        except ledger.StepClosed as closed:
            runs.mark_interrupted(UUID(run_id))
            raise Ignore(str(closed)) from closed
        except (OperationalError, InterfaceError, SoftTimeLimitExceeded) as error:
            longest = min(2.0 ** min(self.request.retries, 10), LONGEST_DATABASE_DELAY)
            raise self.retry(exc=error, countdown=random.uniform(longest / 2, longest)) from error  # noqa: S311

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Called by Celery once the task has failed for good."""
        ledger.fail_step(UUID(args[0]), self.step, f"{type(exc).__name__}: {exc}")


@shared_task(bind=True, base=StepTask)
def check_device(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.check_device, run_id)


# The two that talk to the outside: their time is the other side's, up to EMAIL_TIMEOUT and RISK_API_TIMEOUT a reply.
@shared_task(bind=True, base=StepTask, soft_time_limit=25, time_limit=30)
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
