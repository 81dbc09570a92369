"""The workflow of a password change: its tasks, and how they are put together.

``record → group(notify_user, end_other_sessions) → post_process``
"""

from __future__ import annotations

from typing import Any

from celery import Signature

from workflows import notifying
from workflows import password_steps as steps
from workflows.canvas import register, step, together, workflow
from workflows.ledger import Result
from workflows.step_tasks import StepTask, step_task
from workflows.tasks import on_notice_error


@step_task("record the change")
def record(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.record, run_id)


@step_task(
    "notify the user", skippable=True, soft_time_limit=notifying.SOFT_TIME_LIMIT, time_limit=notifying.TIME_LIMIT
)
def notify_user(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.notify_user, run_id)


@step_task("end other sessions")
def end_other_sessions(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.end_other_sessions, run_id)


@step_task("finish")
def post_process(self: StepTask, run_id: str) -> Result:
    return self.attempt(steps.post_process, run_id)


def password_change_canvas(run_id: str) -> Signature[Any]:
    """No task has a callback of its own but the notice: nothing has to be done for the others where they fail."""
    return workflow(
        run_id,
        step(record, run_id),
        together(
            run_id,
            step(notify_user, run_id).on_error(on_notice_error.si(run_id)),
            step(end_other_sessions, run_id),
        ),
        step(post_process, run_id),
    )


PASSWORD_CHANGE = register("password_change", "password change", password_change_canvas, about="password_change")
