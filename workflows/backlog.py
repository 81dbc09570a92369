"""What the broker still holds of the runs: how far their queue has got, and whether it was lost.

A queue is taken from its end, so the message at its head is the oldest. Whatever was sent before that one has left the
queue: a worker has it, or nobody. What was sent later may well be waiting, however long that takes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.signals import before_task_publish
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from kombu.exceptions import OperationalError

from workflows.publishing import broker_is_redis, impatient_connection

# The header that says when a message was sent, in seconds since the epoch; Celery has none.
SENT_AT = "sent_at"
# A key that is in Redis as long as what was published is. It vanishes with everything else.
MARK = "loginwatch.published"
# Seconds that the broker may take for each answer.
PATIENCE = 1.0
# A broker that tells how many messages it holds but not how old they are is taken to hold none that is older.
LONGEST_WAIT = timedelta(hours=1)
OBSERVATIONS = "workflows.backlog"
AWAY = (OperationalError,)


class BrokerAway(Exception):
    """The broker did not answer."""


@dataclass(frozen=True)
class Look:
    """``head``: what was sent before has left the queue. ``lost``: the broker has forgotten what it held."""

    head: datetime
    lost: bool


@before_task_publish.connect
def note_sent_at(headers: dict[str, Any], **kwargs: Any) -> None:
    headers[SENT_AT] = time.time()


def look() -> Look:
    """Ask the broker. Raises BrokerAway."""
    queue = settings.CELERY_TASK_DEFAULT_QUEUE
    with _channel() as channel:
        if broker_is_redis():
            oldest, marked = channel.client.lindex(queue, -1), channel.client.exists(MARK)
            return Look(head=_sent_at(oldest) if oldest else timezone.now(), lost=not marked)
        waiting = channel.queue_declare(queue, passive=True).message_count
        return Look(head=timezone.now() - (LONGEST_WAIT if waiting else timedelta()), lost=False)


def mark() -> None:
    """From now on the broker holds what is published, until it loses the mark as well. Raises BrokerAway."""
    if broker_is_redis():
        with _channel() as channel:
            channel.client.set(MARK, timezone.now().isoformat())


def left_before(head: datetime, patience: timedelta) -> datetime:
    """What was sent before this moment left the queue at least ``patience`` ago, as far as was observed.

    ``head`` is where the queue has got now. Until somebody looked that long ago, the first look stands for it: of the
    runs that workers had just taken then, some are published once more than they need.
    """
    now = timezone.now().timestamp()
    # Pairs of when somebody looked and where the head was then: the recent ones, and the furthest of the older ones.
    seen: list[tuple[float, float]] = [*cache.get(OBSERVATIONS, []), (now, head.timestamp())]
    recent = [pair for pair in seen if pair[0] > now - patience.total_seconds()]
    older = [pair for pair in seen if pair not in recent]
    settled = max(older, key=lambda pair: pair[1], default=seen[0])
    cache.set(OBSERVATIONS, [settled, *recent] if older else recent, timeout=None)
    return datetime.fromtimestamp(settled[1], UTC)


def _sent_at(message: bytes) -> datetime:
    sent_at = json.loads(message).get("headers", {}).get(SENT_AT)
    # A message without the header was sent by an older version: it may have waited for any time.
    return datetime.fromtimestamp(sent_at, UTC) if sent_at else timezone.now() - LONGEST_WAIT


@contextmanager
def _channel() -> Iterator[Any]:
    with impatient_connection(PATIENCE) as connection:
        try:
            yield connection.ensure_connection(max_retries=0).channel()
        except AWAY + connection.connection_errors + connection.channel_errors as error:
            raise BrokerAway(str(error) or type(error).__name__) from error
