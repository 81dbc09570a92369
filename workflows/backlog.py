"""What the broker still holds of the runs: how far each of their queues has got, and whether they were lost.

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

from workflows import kinds
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
    """``heads``: by queue, what was sent before has left it. ``lost``: the broker has forgotten what it held."""

    heads: dict[str, datetime]
    lost: bool


@before_task_publish.connect
def note_sent_at(headers: dict[str, Any], **kwargs: Any) -> None:
    headers[SENT_AT] = time.time()


def look() -> Look:
    """Ask the broker. Raises BrokerAway."""
    queues = {step.queue for kind in kinds.all_kinds() for step in kind.steps}
    with _channel() as channel:
        lost = broker_is_redis() and not channel.client.exists(MARK)
        return Look({queue: _head(channel, queue) for queue in sorted(queues)}, lost)


def _head(channel: Any, queue: str) -> datetime:
    if broker_is_redis():
        oldest = channel.client.lindex(queue, -1)
        return _sent_at(oldest) if oldest else timezone.now()
    waiting = channel.queue_declare(queue, passive=True).message_count
    return timezone.now() - (LONGEST_WAIT if waiting else timedelta())


def lengths() -> dict[str, int]:
    """How many messages wait in each of the queues. Raises BrokerAway."""
    names = [queue.name for queue in settings.CELERY_TASK_QUEUES]
    with _channel() as channel:
        if broker_is_redis():
            return {name: int(channel.client.llen(name)) for name in names}
        return {name: channel.queue_declare(name, passive=True).message_count for name in names}


def mark() -> None:
    """From now on the broker holds what is published, until it loses the mark as well. Raises BrokerAway."""
    if broker_is_redis():
        with _channel() as channel:
            channel.client.set(MARK, timezone.now().isoformat())


def left_before(heads: dict[str, datetime], patience: timedelta) -> dict[str, datetime]:
    """By queue: what was sent before this moment left it at least ``patience`` ago, as far as was observed.

    ``heads`` is where the queues have got now. Until somebody looked that long ago, the first look stands for it: of
    the runs that workers had just taken then, some are published once more than they need.
    """
    seen: dict[str, list[tuple[float, float]]] = cache.get(OBSERVATIONS, {})
    kept = {queue: _kept(seen.get(queue, []), head, patience) for queue, head in heads.items()}
    cache.set(OBSERVATIONS, kept, timeout=None)
    return {queue: datetime.fromtimestamp(pairs[0][1], UTC) for queue, pairs in kept.items()}


def _kept(before: list[tuple[float, float]], head: datetime, patience: timedelta) -> list[tuple[float, float]]:
    """Pairs of when somebody looked and where the head was then: the furthest of the older ones, or where there is none
    the first, and then the recent ones.
    """
    now = timezone.now().timestamp()
    seen = [*before, (now, head.timestamp())]
    recent = [pair for pair in seen if pair[0] > now - patience.total_seconds()]
    older = [pair for pair in seen if pair not in recent]
    return [max(older, key=lambda pair: pair[1]), *recent] if older else recent


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
