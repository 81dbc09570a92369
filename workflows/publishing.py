"""Handing a run's canvas to the broker, in bounded time."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from celery import Signature, current_app
from django.conf import settings
from django.db import transaction
from kombu import Connection
from kombu.connection import ConnectionPool
from kombu.exceptions import ConnectionLimitExceeded, OperationalError
from kombu.pools import connections

from workflows import kinds, points, runs
from workflows.local_breaker import LocalBreaker
from workflows.models import Run

logger = logging.getLogger(__name__)

# A retry policy of no retries. Celery's retry=False is another thing: it waits 6 s for a broker that refuses.
ONCE = {"max_retries": 0}
# Seconds for which a broker that did not take a run is not offered another: as often as recovery looks.
REST = 5.0
# Seconds after which one that took it counts as failing too: the timeout is for each of its answers, of which a new
# connection needs many.
SLOW = 1.0
breaker = LocalBreaker(REST)


def publish(run: Run) -> bool:
    """Publish the run's canvas; False where the broker did not take it in time, and recovery will.

    Publishing a run again is always safe: steps that are done do not act again. After a failure the broker is not
    asked again for a while, so that an outage costs the sign-ins behind the first one nothing.
    """
    if breaker.is_open:
        return False
    points.reached(run.pk, "", "before publish")
    began = time.monotonic()
    published = publish_all([run])
    if not published or time.monotonic() - began > SLOW:
        breaker.trip()
    return bool(published)


def publish_on_commit(run: Run) -> None:
    """Publish the run once the transaction that writes it is committed.

    Whatever goes wrong with the broker then is logged, and what the run is about has happened all the same.
    """
    transaction.on_commit(partial(publish, run), robust=True)


def publish_all(unpublished: Iterable[Run]) -> list[UUID]:
    """Publish the runs' canvases until the broker does not take one; returns the ids of those that it took."""
    taken: list[UUID] = []
    try:
        with _connection() as connection:
            for run in unpublished:
                canvas = kinds.get(run.kind).canvas(str(run.pk))
                # Not as children of the task that recovers: it would collect them all.
                result = canvas.apply_async(connection=connection, retry_policy=ONCE, add_to_parent=False)
                taken.append(run.pk)
                points.reached(run.pk, "", "published")
                runs.mark_published(run.pk, result.as_tuple())
    except (OperationalError, ConnectionLimitExceeded) as error:
        logger.warning("the broker does not take runs, which are left to recovery: %s", error)
    return taken


def publish_error_callbacks(errbacks: Iterable[tuple[Signature[Any], str]]) -> int:
    """Call error callbacks as Celery does, each for the task of this id, until the broker does not take one.

    Returns how many it took.
    """
    taken = 0
    try:
        with _connection() as connection:
            for errback, task_id in errbacks:
                errback.apply_async(connection=connection, retry_policy=ONCE, add_to_parent=False, parent_id=task_id)
                taken += 1
    except (OperationalError, ConnectionLimitExceeded) as error:
        logger.warning("the broker does not take error callbacks, which are called later: %s", error)
    return taken


def broker_is_redis() -> bool:
    """Or speaks its protocol; the other kind is RabbitMQ, by AMQP."""
    return not str(current_app.conf.broker_url).startswith("amqp")


def impatient_connection(seconds: float) -> Connection:
    """A connection to the broker, not yet open, that waits ``seconds`` for each answer."""
    redis = {"socket_connect_timeout": seconds, "socket_timeout": seconds}
    amqp = {"read_timeout": seconds, "write_timeout": seconds}
    options = redis if broker_is_redis() else amqp
    connection: Connection = current_app.connection_for_write(connect_timeout=seconds, transport_options=options)
    return connection


@contextmanager
def _connection() -> Iterator[Connection]:
    """One of a pool. Not a producer: a chain's apply_async drops that and takes one of the app's, which is patient."""
    pool = _pool(current_app.conf.broker_write_url, settings.PUBLISH_TIMEOUT)
    with pool.acquire(block=True, timeout=settings.PUBLISH_TIMEOUT) as connection:
        yield connection


@functools.cache
def _pool(broker_url: str, timeout: float) -> ConnectionPool:
    """Found by what makes it another one, which is faster than by a connection like those that it holds."""
    pool: ConnectionPool = connections[impatient_connection(timeout)]
    return pool
