"""What takes messages from the broker and gives them to a worker's processes: Celery's own, but for two things.

A task over its rate (``rate_limit``) is held back until it may run. Celery's consumer counts it among those that wait
for a process, of which there may be as many as processes: a few that are held back, and the worker takes no message of
any queue. One whose countdown is over is held back too, in any number. Here they take no other's place, and they are
few: what a second allows. While there are as many, the worker takes none of that queue, and gives back those whose
countdown ends; so they wait in the queue, where recovery sees that they do (backlog.py). On RabbitMQ it is as in
Celery.

What no worker can read is an alert.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery.exceptions import BackendStoreError
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.request import Request
from celery.worker.state import requests, scheduled_requests  # type: ignore[attr-defined]  # the stubs lag
from django.db import DatabaseError
from kombu.utils.limits import TokenBucket

from workflows.alerting import dead_letters
from workflows.publishing import broker_is_redis
from workflows.worker import queue_order

Base: Any = CeleryConsumer  # the stubs know little of it


class Consumer(Base):  # type: ignore[misc]  # as it is untyped
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        queue_order.most_bulk = max(1, self.controller.concurrency - 1)

    def bucket_for_task(self, type: Any) -> TokenBucket | None:  # noqa: A002  the base class's name
        """It fills up to what a second allows. Celery's holds one: each task that comes a moment too soon then waits
        for a timer, which may take a second, so that of a rate of 100 a second some eight were left.
        """
        bucket = super().bucket_for_task(type)
        return TokenBucket(bucket.fill_rate, capacity=_most(bucket)) if bucket else None

    def _limit_task(self, request: Request, bucket: Any, tokens: int) -> None:
        """A message has come."""
        if broker_is_redis():
            self.qos.increment_eventually()
            if len(bucket.contents) + 1 >= _most(bucket):
                queue_order.paused.add(_queue_of(request))
        super()._limit_task(request, bucket, tokens)

    def _limit_post_eta(self, request: Request, bucket: Any, tokens: int) -> None:
        """The countdown of one that has come before is over; until now it took no place."""
        if broker_is_redis():
            if len(bucket.contents) >= _most(bucket):
                self._give_back(request)
                return
            # What the base class takes back.
            self.qos.increment_eventually()
        super()._limit_post_eta(request, bucket, tokens)

    def _limit_move_to_pool(self, request: Request) -> None:
        """It may run."""
        super()._limit_move_to_pool(request)
        if broker_is_redis():
            self.qos.decrement_eventually()
            bucket = self.task_buckets[request.name]  # None where a person has just lifted the limit
            if bucket is None or len(bucket.contents) <= _most(bucket) // 2:
                queue_order.paused.discard(_queue_of(request))

    def _give_back(self, request: Request) -> None:
        queue_order.paused.add(_queue_of(request))
        self.qos.decrement_eventually()
        scheduled_requests.discard(request)
        requests.pop(request.id, None)
        request.reject(requeue=True)

    def on_close(self) -> None:
        """The connection is lost, and what was held back with it."""
        super().on_close()
        queue_order.paused.clear()

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Celery stores under its id that it failed. Where that cannot be, the worker is neither to end nor to stand
        still: what waits for the database here takes no other message, and sends no heartbeat.
        """
        try:
            with _tried_once(self.app.backend):
                super().on_unknown_task(body, message, exc)
        except (BackendStoreError, DatabaseError, KeyError, TypeError, ValueError) as error:
            dead_letters.note(message, f"no worker knows this task, nor could that be stored ({type(error).__name__})")

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        super().on_decode_error(message, exc)
        dead_letters.note(message, f"it cannot be read ({type(exc).__name__})")


@contextmanager
def _tried_once(backend: Any) -> Iterator[None]:
    """What is stored within it is not tried again. The backend is this thread's alone."""
    retries, backend.max_retries = backend.max_retries, 0
    try:
        yield
    finally:
        backend.max_retries = retries


def _most(bucket: Any) -> int:
    """How many are held back: what a second allows."""
    return max(1, math.ceil(float(bucket.fill_rate)))


def _queue_of(request: Request) -> str:
    return str(request.delivery_info["routing_key"])
