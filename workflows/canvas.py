"""How the steps are put together; nothing else knows of chain and group.

``check_device → group(notify_user, save_event) → post_to_risk_api → post_process``
"""

from __future__ import annotations

from typing import Any

from celery import Signature, chain, group

from workflows import tasks
from workflows.models import Step, task_id_of

TASKS = {
    Step.Name.CHECK_DEVICE: tasks.check_device,
    Step.Name.NOTIFY_USER: tasks.notify_user,
    Step.Name.SAVE_EVENT: tasks.save_event,
    Step.Name.POST_TO_RISK_API: tasks.post_to_risk_api,
    Step.Name.POST_PROCESS: tasks.post_process,
}


def sign_in_canvas(run_id: str) -> Signature[Any]:
    """The workflow of one sign-in. A group followed by a task makes a chord: the task waits for both.

    The error callback takes the run's id, not Celery's: after a failure in the group Celery hands a callback the
    id of the task behind the group, and calls it once, twice or three times.
    """
    workflow = chain(
        _step(run_id, Step.Name.CHECK_DEVICE),
        group(_step(run_id, Step.Name.NOTIFY_USER), _step(run_id, Step.Name.SAVE_EVENT)),
        _step(run_id, Step.Name.POST_TO_RISK_API),
        _step(run_id, Step.Name.POST_PROCESS),
    )
    return workflow.on_error(tasks.on_canvas_error.si(run_id))


def _step(run_id: str, name: Step.Name) -> Signature[Any]:
    """Immutable (``si``): a step reads from the ledger what the ones before it returned, so only the id travels.

    Its result is stored under an id that follows from the run's.
    """
    return TASKS[name].si(run_id).set(task_id=task_id_of(run_id, name))
