"""Which workers answer, and which of the site's queues nobody serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from celery import current_app
from django.conf import settings
from kombu import Connection

# By the name of a worker, the queues that it serves.
Workers: TypeAlias = Mapping[str, list[str]]
# Seconds that a worker has to answer.
PATIENCE = 1.0


def ask(connection: Connection | None = None) -> Workers:
    """Those that answer in time. Raises kombu's OperationalError where the broker does not."""
    answers = current_app.control.inspect(timeout=PATIENCE, connection=connection).active_queues() or {}
    return {name: [queue["name"] for queue in queues] for name, queues in sorted(answers.items())}


def unserved(workers: Workers) -> list[str]:
    """A run whose next step is in one of these waits, however many workers there are."""
    served = {queue for queues in workers.values() for queue in queues}
    return [queue.name for queue in settings.CELERY_TASK_QUEUES if queue.name not in served]
