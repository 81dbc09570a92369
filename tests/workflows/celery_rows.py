"""Celery's results of a run, written as a worker writes them: by the result backend itself."""

from __future__ import annotations

import json
from typing import Any

from celery import current_app, states
from django_celery_results.models import TaskResult

from workflows import kinds
from workflows.models import Run, Step


def keep_results(run: Run) -> None:
    """As publishing does: the run keeps the tuple of its canvas's last result."""
    frozen = kinds.get(run.kind).canvas(str(run.pk)).freeze()
    run.results = json.loads(json.dumps(frozen.as_tuple()))
    Run.objects.filter(pk=run.pk).update(results=run.results)


def store(step: Step, result: Any, state: str = states.SUCCESS, traceback: str = "") -> None:
    current_app.backend.store_result(step.task_id, result, state)
    # Which the backend takes from the task's request.
    TaskResult.objects.filter(task_id=step.task_id).update(traceback=traceback)


def store_children(step: Step, children: list[Any]) -> None:
    """``children`` are the tuples of what the step's task published."""
    TaskResult.objects.filter(task_id=step.task_id).update(meta=json.dumps({"children": children}))


def step_of(run: Run, name: str) -> Step:
    return run.steps.get(name=name)
