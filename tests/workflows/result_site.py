"""An app with the result backend and no worker: the tests say how its tasks end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery, chord
from celery.app.task import Context
from celery.signals import after_task_publish
from django.utils import timezone
from kombu.utils.json import dumps, loads

from workflows.models import Chord

# Memory that the tests of one process share, and a port on which nobody listens.
BROKER = "memory://"
NO_BROKER = "redis://127.0.0.1:1/0"


def total(values: list[int]) -> int:
    return sum(values)


def same(value: Any) -> Any:
    return value


def make_app(broker_url: str) -> Celery:
    app = Celery("results", set_as_current=False)
    app.conf.update(
        broker_url=broker_url,
        result_backend="workflows.results.backend.ResultBackend",
        result_extended=True,
        result_backend_always_retry=True,
        result_backend_max_retries=3,
        result_backend_base_sleep_between_retries_ms=1,
        result_backend_max_sleep_between_retries_ms=1,
        task_publish_retry_policy={"max_retries": 0},
    )
    app.task(name="total")(total)
    app.task(name="same")(same)
    return app


class Site:
    def __init__(self, broker_url: str = BROKER) -> None:
        self.app = make_app(broker_url)
        self.backend: Any = self.app.backend
        self.total: Any = self.app.tasks["total"]
        self.same: Any = self.app.tasks["same"]

    def begin(self, body: Any, *task_ids: str) -> list[Context]:
        """Publish a chord of members with these ids; returns what a worker knows of each."""
        with published() as messages:
            chord([self.same.s(1).set(task_id=task_id) for task_id in task_ids], body).apply_async()
        return messages

    def succeed(self, member: Context, value: Any = 1) -> None:
        """As a worker does when it has executed the task."""
        self.backend.mark_as_done(member.id, value, request=member)

    def fail(self, member: Context) -> None:
        self.backend.mark_as_failure(member.id, ValueError("it failed"), request=member)


@contextmanager
def published() -> Iterator[list[Context]]:
    """The requests of the tasks that the broker takes meanwhile."""
    taken: list[Context] = []

    def take(sender: str, headers: dict[str, Any], body: Any, **kwargs: Any) -> None:
        args, kwargs, embedded = loads(dumps(body))
        taken.append(Context(headers, args=args, kwargs=kwargs, **embedded))

    after_task_publish.connect(take)
    try:
        yield taken
    finally:
        after_task_publish.disconnect(take)


def let_the_claim_run_out() -> None:
    Chord.objects.update(publish_at=timezone.now())
