"""Calling an error callback as Celery does."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from workflows import step_tasks
from workflows.backlog import SENT_AT
from workflows.models import Run, task_id_of
from workflows.results.backend import FAILED_MEMBERS


def call(task: step_tasks.ErrorCallback, run: Run, of: str, *members: str, sent_at: datetime | None = None) -> None:
    """The task that failed is the parent of its error callback.

    For a group it is the one behind it, and the result backend says which ``members`` have.
    """
    headers: dict[str, object] = {SENT_AT: (sent_at or timezone.now()).timestamp()}
    if members:
        headers[FAILED_MEMBERS] = [task_id_of(run.pk, member) for member in members]
    task.push_request(args=(str(run.pk),), parent_id=task_id_of(run.pk, of), headers=headers)
    try:
        task.run(str(run.pk))
    finally:
        task.pop_request()
