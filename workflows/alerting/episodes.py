"""When the operators are told: at once of what is new, and less and less often of what goes on.

Alerts that keep coming are one episode, whose messages are further and further apart. Each way by which operators are
told, mail and webhook, has episodes of its own: what was last told by it is an entry of the cache, which is a table
beside the alerts, and is written together with them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from workflows.models import Alert

# After each message of an episode; the last one after all further ones, so it is told of once an hour in the end.
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
# When nothing was raised for so long, an episode is over: what was not told is told then, and the next is told at once.
QUIET = timedelta(minutes=30)
# Beat has looks a minute apart, but not to the second: one that comes this early need not wait for the next.
EARLY = timedelta(seconds=10)
# Who tells keeps others from it for so long: longer than the time limits of the tasks, and shorter than beat's
# schedule, so that what was not taken is tried again in a minute.
CLAIMED = timedelta(seconds=50)
# What is beyond waits for no pause: it is told a minute later.
MOST_A_MESSAGE = 100_000
# SQLite takes 32,766 values in one.
MOST_A_STATEMENT = 10_000


class Row(NamedTuple):
    """Of an alert, what is read of all that a message tells of."""

    pk: int
    kind: str
    created_at: datetime


@dataclass(frozen=True)
class Episode:
    """As it is once its last message was taken."""

    began_at: datetime
    last_raised_at: datetime
    # When more of the same is told.
    next_at: datetime
    messages: int
    # By kind: how many it had so far.
    counts: Counter[str]


@dataclass(frozen=True)
class Message:
    """What is to be told by one way, the oldest first, and the episode that it belongs to."""

    way: str
    alerts: list[Row]
    episode: Episode

    @property
    def counts(self) -> Counter[str]:
        return Counter(alert.kind for alert in self.alerts)

    @property
    def id(self) -> str:
        """The same for the same alerts, by which a receiver knows a repetition."""
        newest = self.alerts[-1]
        return f"{newest.pk}_{len(self.alerts)}_{newest.created_at:%Y%m%d%H%M%S%f}"


@transaction.atomic
def claim(untold: QuerySet[Alert], way: str) -> Message | None:
    """What is to be told now, if anything is: not while another call tells it, nor within the pause of its episode.

    The claim is an entry of the cache. Of two calls that find the last one run out, ``add`` lets both pass; so they
    come to it one by one, in the order in which they lock the oldest alert.
    """
    oldest = untold.select_for_update().first()
    if oldest is None:
        return None
    now = timezone.now()
    episode = _episode_of(oldest, way)
    if episode and _waits(episode, untold, now):
        return None
    if not cache.add(claim_key(way), oldest.pk, timeout=CLAIMED.total_seconds()):
        return None
    alerts = [Row(*row) for row in untold.values_list("pk", "kind", "created_at")[:MOST_A_MESSAGE]]
    return Message(way, alerts, _gone_on(episode, alerts, now))


def note_taken(message: Message, **marks: datetime) -> None:
    """Write ``marks`` on its alerts, and how far its episode has got: in one transaction, both or neither."""
    ids = [alert.pk for alert in message.alerts]
    for start in range(0, len(ids), MOST_A_STATEMENT):
        Alert.objects.filter(pk__in=ids[start : start + MOST_A_STATEMENT]).update(**marks)
    # Of nothing that is ours: what lies there must be readable wherever a class has moved since.
    cache.set(episode_key(message.way), vars(message.episode), timeout=None)


def claim_key(way: str) -> str:
    return f"workflows.alerting.{way}.claim"


def episode_key(way: str) -> str:
    """What changes the form of ``Episode`` changes this too: what lies there was written by the version before."""
    return f"workflows.alerting.{way}.episode"


def _episode_of(oldest: Alert, way: str) -> Episode | None:
    """The one that was told of last, unless it was over when the oldest alert that is untold was raised."""
    kept = cache.get(episode_key(way))
    last = Episode(**kept) if kept else None
    return last if last and oldest.created_at < last.last_raised_at + QUIET else None


def _waits(episode: Episode, untold: QuerySet[Alert], now: datetime) -> bool:
    """Within the pause, while it goes on, and where there is no kind that it has not had."""
    newest = untold.last()
    goes_on = newest is not None and now < newest.created_at + QUIET
    return goes_on and now < episode.next_at and not untold.exclude(kind__in=list(episode.counts)).exists()


def _gone_on(before: Episode | None, alerts: list[Row], now: datetime) -> Episode:
    """The episode with one message more, or a new one."""
    messages = before.messages if before else 0
    is_all = len(alerts) < MOST_A_MESSAGE
    return Episode(
        began_at=before.began_at if before else alerts[0].created_at,
        last_raised_at=alerts[-1].created_at,
        next_at=now + PAUSES[min(messages, len(PAUSES) - 1)] - EARLY if is_all else now,
        messages=messages + 1,
        counts=(before.counts if before else Counter()) + Counter(alert.kind for alert in alerts),
    )
