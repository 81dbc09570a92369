"""What a worker does when it starts, and before each task."""

from __future__ import annotations

import select
from typing import Any

from celery import Task
from celery.signals import task_prerun, worker_init, worker_ready
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.families import families_of
from workflows import periodic


@worker_init.connect
def read_before_forking(**kwargs: Any) -> None:
    """The rules by which user agents are read take 0.2 s to load: else each process has its first sign-in wait."""
    families_of("")


@worker_ready.connect
def recover_at_start(**kwargs: Any) -> None:
    """Look for runs that stand still at once, not only when beat says so the next time."""
    periodic.recover.delay()


@task_prerun.connect
def drop_dead_connections(task: Task[..., Any], **kwargs: Any) -> None:
    """A connection serves many tasks (CELERY_DB_REUSE_MAX). One that broke, or is old, is left behind.

    Django's own health check asks the server, which would be one statement more for each step.
    """
    if task.request.is_eager:
        return
    for connection in connections.all(initialized_only=True):
        if _was_ended(connection):
            connection.close()
        connection.close_if_unusable_or_obsolete()
        connection.health_check_done = True  # type: ignore[attr-defined]  # the stubs lag


def _was_ended(connection: BaseDatabaseWrapper) -> bool:
    """Whether the server has ended it: one that was not asked anything has nothing else to say."""
    if connection.vendor != "postgresql" or connection.connection is None or connection.connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
