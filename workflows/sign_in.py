"""The workflow of a sign-in: how its tasks are put together.

``check_device → group(notify_user, save_event) → post_to_risk_api → post_process``
"""

from __future__ import annotations

from typing import Any

from celery import Signature

from workflows import tasks
from workflows.canvas import register, step, together, workflow


def sign_in_canvas(run_id: str) -> Signature[Any]:
    """Each level has its error callback: a member of the group, the group, a task, and the whole chain."""
    return workflow(
        run_id,
        step(tasks.check_device, run_id),
        together(
            run_id,
            step(tasks.notify_user, run_id).on_error(tasks.on_notice_error.si(run_id)),
            step(tasks.save_event, run_id),
        ),
        step(tasks.post_to_risk_api, run_id).on_error(tasks.on_risk_error.si(run_id)),
        step(tasks.post_process, run_id),
    )


SIGN_IN = register("sign_in", "sign-in", sign_in_canvas)
