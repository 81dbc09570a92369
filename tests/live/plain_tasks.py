"""Plain tasks for canvases of every shape: `celery -A tests.live.plain_tasks worker` serves them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import redis
from celery import Celery, Task
from celery.signals import task_prerun

from workflows import points

STOCK = "django-db"
OURS = "workflows.results.backend:ResultBackend"


class Tasks:
    """The tasks of one app by name: ``tasks.add.s(1, 2)``."""

    def __init__(self, app: Celery) -> None:
        self.app = app

    def __getattr__(self, name: str) -> Any:
        return self.app.tasks[f"plain.{name}"]


def make_app(broker_url: str, result_backend: str) -> Celery:
    app = Celery("plain", set_as_current=False)
    app.conf.update(
        broker_url=broker_url,
        result_backend=result_backend,
        broker_connection_retry_on_startup=True,
        result_extended=True,
        task_allow_error_cb_on_chord_header=True,
        CELERY_DB_REUSE_MAX=1000,  # Celery opens a connection for each task otherwise
    )
    plain: list[Callable[..., Any]] = [add, total, same, fail, collect, count, note, marker]
    for function in plain:
        app.task(name=f"plain.{function.__name__}")(function)
    bound: list[Callable[..., Any]] = [become, fail_once, give_up]
    for function in bound:
        app.task(name=f"plain.{function.__name__}", bind=True)(function)
    app.task(name="plain.add_unheard", ignore_result=True)(add)
    return app


def broker(url: str | None = None) -> redis.Redis:
    return redis.Redis.from_url(url or os.environ["PLAIN_BROKER"], decode_responses=True)


def add(x: Any, y: Any) -> Any:
    return x + y


def total(values: Iterable[Any]) -> Any:
    """Of numbers in lists in lists."""
    return sum(total(value) if isinstance(value, list) else value for value in values)


def same(value: Any) -> Any:
    return value


def collect(*values: Any, **named: Any) -> Any:
    return [list(values), named]


def fail(*ignored: Any) -> None:
    raise ValueError("as it should")


def fail_once(self: Task[Any, Any], value: Any) -> Any:
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    return value


def give_up(self: Task[Any, Any]) -> Any:
    raise self.retry(countdown=0, max_retries=1, exc=ValueError("tried twice"))


def become(self: Task[Any, Any], canvas: Any) -> Any:
    raise self.replace(self.app.signature(canvas))


def marker() -> int:
    """How many tasks the worker has begun by now."""
    with broker() as executed:
        return int(executed.get("executed") or 0)


def count(*ignored: Any) -> None:
    """As an error callback: one that Celery publishes."""
    with broker() as said:
        said.rpush("said", "counted")


def note(request: Any, error: BaseException, traceback: Any) -> None:
    """An error callback that Celery calls where it meets the failure."""
    with broker() as said:
        said.rpush("said", f"{request.task}: {error!r}")


def count_executed(**kwargs: Any) -> None:
    with broker() as executed:
        executed.incr("executed")


def die(run_id: UUID | str, step: str, point: str) -> None:
    """Be killed at the point that a test has named, once."""
    with broker() as tests:
        if tests.get("die at") == f"{step} {point}":
            tests.rename("die at", "died at")
            os.kill(os.getpid(), signal.SIGKILL)


# In a worker.
if "PLAIN_BROKER" in os.environ:
    app = make_app(os.environ["PLAIN_BROKER"], os.environ["PLAIN_BACKEND"])
    task_prerun.connect(count_executed)
    points.watch(die)
