"""What a worker does when it starts, and before each task."""

from __future__ import annotations

from typing import Any

from celery import Task
from celery.signals import task_prerun, worker_ready
from django.db import close_old_connections

from workflows import periodic


@worker_ready.connect
def recover_at_start(**kwargs: Any) -> None:
    """Look for runs that stand still at once, not only when beat says so the next time."""
    periodic.recover.delay()


@task_prerun.connect
def drop_dead_connections(task: Task[..., Any], **kwargs: Any) -> None:
    """A connection serves many tasks (CELERY_DB_REUSE_MAX). One that broke, or is old, is left behind."""
    if not task.request.is_eager:
        close_old_connections()
