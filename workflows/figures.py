"""What happened on the site, rolled up by the minute and by the hour, so that who looks at a month reads no sign-in.

A sign-in is counted when it was, with its verdict and its notice however late these came; a run, of whatever kind, when
it ended. So a period can be counted again at any time, and comes out the same or more complete: what has gone since (a
sign-in that an operator had anonymised, the end of a run that was resumed) stays counted.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.db.models import Count, Q
from django.db.models.functions import TruncMinute
from django.utils import timezone

from accounts.models import SecurityEvent, SignIn
from workflows.alerting.stuck import BEGAN_AT
from workflows.models import Period, Run

Span = Period.Span
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

# How long ago what a sign-in brings may still come, and is counted: a verdict after an outage, a mail after a day.
LATE = timedelta(hours=26)
# How long minutes are kept; hours stay.
KEEP_MINUTES = timedelta(days=2)
# Of durations is kept how many were in which of these steps, each so much longer than the one before: a percentile is
# exact to within a twelfth.
STEP = 1.08

# Of sign-ins with their verdicts and notices.
COUNTS: Mapping[str, Any] = {
    "sign_ins": Count("pk"),
    "new_devices": Count("pk", filter=Q(device_status="new") & ~Q(device_reason="first_device")),
    "notices": Count("notice"),
    "notices_unsent": Count("notice", filter=~Q(notice__state="sent")),
    "allow": Count("verdict", filter=Q(verdict__decision="allow")),
    "challenge": Count("verdict", filter=Q(verdict__decision="challenge")),
    "deny": Count("verdict", filter=Q(verdict__decision="deny")),
}
# Of runs that ended.
ENDS = ("runs_ended", "runs_degraded", "runs_failed", "healed")


@dataclass
class Figures:
    """``counts`` by COUNTS, ENDS and "failures" (sign-ins that failed); ``durations``: how many runs, by their step."""

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
    """Count what has happened lately, and what is older for the first time; returns how many periods have changed.

    To be called each minute. A site that begins with it, or where it stood still, is caught up on: minutes as far as
    they are kept, hours from the first sign-in that is there.
    """
    now = timezone.now()
    changed = write(_begin(now), now)
    Period.objects.filter(span=Span.MINUTE, began_at__lt=now - KEEP_MINUTES).delete()
    return changed


def write(begin: datetime, end: datetime) -> int:
    """Count from the hour of ``begin`` to before ``end``; returns how many periods have changed.

    A day at a time: a long time that is cut short is gone on with where it was.
    """
    begin = _floor(begin, Span.HOUR)
    oldest = {Span.MINUTE: timezone.now() - KEEP_MINUTES, Span.HOUR: begin}
    changed = 0
    while begin < end:
        until = min(begin + DAY, end)
        counted = count(begin, until)
        for span in (Span.MINUTE, Span.HOUR):
            before = read(span, begin, until)
            counted = _completed(_by(span, counted), before)
            changes = {at: one for at, one in counted.items() if one != before.get(at, Figures())}
            changed += _save(span, {at: one for at, one in changes.items() if at >= oldest[span]})
        begin = until
    return changed


def count(begin: datetime, end: datetime) -> dict[datetime, Figures]:
    """By the minutes; those in which nothing happened are left out."""
    figures: defaultdict[datetime, Figures] = defaultdict(Figures)
    minute = TruncMinute("created_at", tzinfo=UTC)
    sign_ins = SignIn.objects.filter(emptied_at=None, created_at__gte=begin, created_at__lt=end)
    for at, *numbers in sign_ins.annotate(at=minute).values_list("at").annotate(**COUNTS).order_by("at"):
        figures[at].counts.update({name: number for name, number in zip(COUNTS, numbers, strict=True) if number})
    failed = SecurityEvent.Kind.SIGN_IN_FAILED
    failures = SecurityEvent.objects.filter(kind=failed, created_at__gte=begin, created_at__lt=end)
    for at, number in failures.annotate(at=minute).values_list("at").annotate(Count("pk")).order_by("at"):
        figures[at].counts["failures"] = number
    ended = Run.objects.filter(finished_at__gte=begin, finished_at__lt=end)
    of_each = ended.values_list(BEGAN_AT, "finished_at", "state", "healed")
    for run_began_at, finished_at, state, healed in of_each.iterator(chunk_size=5000):
        # That a person ended a run says nothing of how runs do.
        if state != Run.State.CANCELLED:
            ended_at = cast(datetime, finished_at)
            _add_end(figures[_floor(ended_at, Span.MINUTE)], ended_at - run_began_at, state, healed)
    return figures


def _add_end(figures: Figures, took: timedelta, state: str, healed: int) -> None:
    figures.counts["runs_ended"] += 1
    figures.durations[_step_of(took)] += 1
    if state in (Run.State.DEGRADED, Run.State.FAILED):
        figures.counts[f"runs_{state}"] += 1
    if healed:
        figures.counts["healed"] += healed


def _by(span: Span, figures: Mapping[datetime, Figures]) -> dict[datetime, Figures]:
    """Together, by the periods of this span."""
    by: defaultdict[datetime, Figures] = defaultdict(Figures)
    for at, one in figures.items():
        by[_floor(at, span)].add(one)
    return by


def _completed(now: Mapping[datetime, Figures], before: Mapping[datetime, Figures]) -> dict[datetime, Figures]:
    """With what has gone since it was counted ``before``."""
    nothing = Figures()
    return {at: _complete(now.get(at, nothing), before.get(at, nothing)) for at in sorted(now.keys() | before.keys())}


def _complete(now: Figures, before: Figures) -> Figures:
    """Of what ends were counted, the greater: a run ends once, and then may go on. Where sign-ins have gone, of all.

    In a period that is still under way, as many of those that come next add nothing to it: it is no exact count then,
    and becomes no less.
    """
    gone = now.counts["sign_ins"] < before.counts["sign_ins"]
    kept = before.counts if gone else Counter({name: before.counts[name] for name in ENDS})
    return Figures(now.counts | kept, now.durations | before.durations)


def _save(span: Span, figures: Mapping[datetime, Figures]) -> int:
    periods = [
        Period(span=span, began_at=at, counts=dict(one.counts), durations=dict(one.durations))
        for at, one in figures.items()
    ]
    Period.objects.bulk_create(
        periods,
        batch_size=500,
        update_conflicts=True,
        unique_fields=["span", "began_at"],
        update_fields=["counts", "durations"],
    )
    return len(periods)


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


def _begin(now: datetime) -> datetime:
    """Once an hour all that may have changed, else the last two; where hours are missing, from where they begin."""
    hour = _floor(now, Span.HOUR)
    newest = Period.objects.filter(span=Span.HOUR).order_by("-began_at").values_list("began_at", flat=True).first()
    if newest is None:
        first = SignIn.objects.filter(emptied_at=None).order_by("created_at").values_list("created_at", flat=True)
        return first[0] if first else hour
    return min(newest, hour - (LATE if newest < hour else HOUR))


def _floor(moment: datetime, span: Span) -> datetime:
    whole = moment.astimezone(UTC).replace(second=0, microsecond=0)
    return whole.replace(minute=0) if span == Span.HOUR else whole


def _step_of(duration: timedelta) -> int:
    milliseconds = max(duration.total_seconds() * 1000, 1.0)
    return math.ceil(math.log(milliseconds, STEP))
