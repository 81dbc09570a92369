"""The steps of a sign-in as Celery tasks: each takes the run's id, calls its function and returns what that returns."""

from __future__ import annotations

from functools import partial

from celery import shared_task

from workflows import notifying, steps
from workflows.ledger import Result
from workflows.step_tasks import ErrorCallback, Level, StepTask, step_task


@step_task("check the device")
def check_device(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.check_device, run_id)


# The two that talk to the outside: their time is the other side's, up to EMAIL_TIMEOUT and RISK_API_TIMEOUT a reply.
@step_task(
    "notify the user", skippable=True, soft_time_limit=notifying.SOFT_TIME_LIMIT, time_limit=notifying.TIME_LIMIT
)
def notify_user(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.notify_user, run_id)


@step_task("save the event")
def save_event(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.save_event, run_id)


@step_task("ask the risk service", skippable=True, soft_time_limit=25, time_limit=30)
def post_to_risk_api(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.post_to_risk_api, run_id)


@step_task("act on the verdict")
def post_process(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.post_process, run_id)


@shared_task(bind=True, base=ErrorCallback, level=Level.MEMBER)
def on_notice_error(self: ErrorCallback, run_id: str) -> None:
    """The error callback of a group's member, in each workflow that has a notice: it will not go out by itself."""
    self.note(run_id, [notify_user.step], partial(notifying.give_up_after_failure, name=notify_user.step))


@shared_task(bind=True, base=ErrorCallback, level=Level.TASK)
def on_risk_error(self: ErrorCallback, run_id: str) -> None:
    """The error callback of the task: there will be no verdict, unless a person has the run go on.

    Celery calls it for the group before the task, too, whose failure says nothing of the risk service.
    """
    self.note(run_id, [post_to_risk_api.step], steps.do_without_verdict)
