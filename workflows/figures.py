"""What happened on the site, rolled up by the minute and by the hour, so that who looks at a month reads no sign-in.

All is counted under the moment of the sign-in that it belongs to, however late it came: so a period can be counted
again at any time, and comes out the same or more complete: what has gone since (a sign-in that an operator had
anonymised) stays counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncHour, TruncMinute
from django.utils import timezone

from accounts.models import SecurityEvent, SignIn
from workflows.models import Period, Run

Span = Period.Span
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LENGTHS = {Span.MINUTE: MINUTE, Span.HOUR: HOUR}
TRUNCATED = {Span.MINUTE: TruncMinute, Span.HOUR: TruncHour}

# How long ago what a sign-in brings may still come, and is counted: a verdict after an outage, a mail after a day.
LATE = timedelta(minutes=10)
LATE_HOURS = timedelta(hours=26)
# How long minutes are kept; hours stay.
KEEP_MINUTES = timedelta(days=2)
# Of durations is kept how many were in which of these steps, each so much longer than the one before: a percentile is
# exact to within a twelfth.
STEP = 1.08

# Of a sign-in with its run, verdict and notice.
COUNTS: Mapping[str, Any] = {
    "sign_ins": Count("pk"),
    "new_devices": Count("pk", filter=Q(device_status="new") & ~Q(device_reason="first_device")),
    "notices": Count("notice"),
    "notices_unsent": Count("notice", filter=~Q(notice__state="sent")),
    "allow": Count("verdict", filter=Q(verdict__decision="allow")),
    "challenge": Count("verdict", filter=Q(verdict__decision="challenge")),
    "deny": Count("verdict", filter=Q(verdict__decision="deny")),
    "runs_ended": Count("run", filter=Q(run__finished_at__isnull=False)),
    "runs_degraded": Count("run", filter=Q(run__state=Run.State.DEGRADED)),
    "runs_failed": Count("run", filter=Q(run__state=Run.State.FAILED)),
    "healed": Sum("run__healed", default=0),
}


@dataclass
class Figures:
    """``counts`` by COUNTS and "failures" (sign-ins that failed); ``durations``: how many runs, by step of duration."""

    counts: Counter[str] = field(default_factory=Counter)
    durations: Counter[int] = field(default_factory=Counter)

    def add(self, other: Figures) -> None:
        self.counts.update(other.counts)
        self.durations.update(other.durations)

    def percentile(self, share: float) -> float | None:
        """Seconds within which this share of the runs ended; None where none did."""
        left = share * self.durations.total()
        for step in sorted(self.durations):
            left -= self.durations[step]
            if left <= 0:
                return float(STEP**step) / 1000
        return None


def roll_up() -> int:
    """Count what has happened lately, and what is older for the first time; returns how many periods were written.

    To be called each minute. A site that begins with it, or where it stood still, is caught up on: minutes as far as
    they are kept, hours from the first sign-in that is there.
    """
    now = timezone.now()
    minute = _floor(now, Span.MINUTE)
    written = write(Span.MINUTE, _minutes_from(minute), minute)
    hour = _floor(now, Span.HOUR)
    written += write(Span.HOUR, _hours_from(hour), hour + HOUR)
    Period.objects.filter(span=Span.MINUTE, began_at__lt=now - KEEP_MINUTES).delete()
    return written


def roll_up_from(begin: datetime) -> None:
    """Count what has happened since ``begin`` as if for the first time; minutes as far as they are kept."""
    now = timezone.now()
    minute = _floor(now, Span.MINUTE)
    write(Span.MINUTE, max(begin, minute - KEEP_MINUTES), minute)
    write(Span.HOUR, begin, _floor(now, Span.HOUR) + HOUR)


def write(span: Span, begin: datetime, end: datetime) -> int:
    """Count the periods of this span from ``begin`` to before ``end``; returns how many there is anything to say of."""
    before = read(span, _floor(begin, span), end)
    counted = {at: _complete(now, before.get(at, Figures())) for at, now in count(span, begin, end).items()}
    periods = [
        Period(span=span, began_at=at, counts=dict(figures.counts), durations=dict(figures.durations))
        for at, figures in counted.items()
    ]
    Period.objects.bulk_create(
        periods,
        batch_size=500,
        update_conflicts=True,
        unique_fields=["span", "began_at"],
        update_fields=["counts", "durations"],
    )
    return len(periods)


def count(span: Span, begin: datetime, end: datetime) -> dict[datetime, Figures]:
    """By the moments at which periods began; those in which nothing happened are left out."""
    period = TRUNCATED[span]("created_at", tzinfo=UTC)
    figures: dict[datetime, Figures] = {}
    sign_ins = SignIn.objects.filter(emptied_at=None, created_at__gte=begin, created_at__lt=end)
    for at, *numbers in sign_ins.annotate(period=period).values_list("period").annotate(**COUNTS).order_by("period"):
        figures[at] = Figures(Counter({name: number for name, number in zip(COUNTS, numbers, strict=True) if number}))
    failures = SecurityEvent.objects.filter(
        sign_in=None,
        password_change=None,  # the condition of the index
        kind=SecurityEvent.Kind.SIGN_IN_FAILED,
        created_at__gte=begin,
        created_at__lt=end,
    )
    for at, number in failures.annotate(period=period).values_list("period").annotate(Count("pk")).order_by("period"):
        figures.setdefault(at, Figures()).counts["failures"] = number
    ended = sign_ins.filter(run__finished_at__isnull=False).values_list("created_at", "run__finished_at")
    for at, finished_at in ended.iterator(chunk_size=5000):
        # The first of its period may have been committed since the counts were read.
        of_period = figures.setdefault(_floor(at, span), Figures())
        of_period.durations[_step_of(cast(datetime, finished_at) - at)] += 1
    return figures


def _complete(now: Figures, before: Figures) -> Figures:
    """Where sign-ins have gone since they were counted ``before``, of each figure the greater.

    In a period that is still under way, as many of those that come next add nothing to it: it is no exact count then,
    and becomes no less.
    """
    if now.counts["sign_ins"] >= before.counts["sign_ins"]:
        return now
    return Figures(now.counts | before.counts, now.durations | before.durations)


def read(span: Span, begin: datetime, end: datetime) -> dict[datetime, Figures]:
    """What was counted, by the moments at which periods began."""
    periods = Period.objects.filter(span=span, began_at__gte=begin, began_at__lt=end).order_by("began_at")
    return {
        period.began_at: Figures(
            Counter(period.counts), Counter({int(step): number for step, number in period.durations.items()})
        )
        for period in periods
    }


def total(figures: Iterable[Figures]) -> Figures:
    whole = Figures()
    for one in figures:
        whole.add(one)
    return whole


def _minutes_from(minute: datetime) -> datetime:
    """The last ones again; where minutes are missing that are kept, from where they begin."""
    newest = Period.objects.filter(span=Span.MINUTE).order_by("-began_at").values_list("began_at", flat=True).first()
    oldest = minute - KEEP_MINUTES
    return max(min(newest, minute - LATE), oldest) if newest else oldest


def _hours_from(hour: datetime) -> datetime:
    """Once an hour all that may have changed, else the last two; where hours are missing, from where they begin."""
    newest = Period.objects.filter(span=Span.HOUR).order_by("-began_at").values_list("began_at", flat=True).first()
    if newest is None:
        first = SignIn.objects.filter(emptied_at=None).order_by("created_at").values_list("created_at", flat=True)
        return _floor(first[0], Span.HOUR) if first else hour
    return min(newest, hour - (LATE_HOURS if newest < hour else HOUR))


def _floor(moment: datetime, span: Span) -> datetime:
    whole = moment.astimezone(UTC).replace(second=0, microsecond=0)
    return whole.replace(minute=0) if span == Span.HOUR else whole


def _step_of(duration: timedelta) -> int:
    milliseconds = max(duration.total_seconds() * 1000, 1.0)
    return math.ceil(math.log(milliseconds, STEP))
