"""What the dashboard shows: the rolled-up figures of a while, and how things stand right now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from loginwatch.dashboard.charts import Chart, Series
from loginwatch.workers import Workers, unserved
from workflows import backlog, figures
from workflows.alerting import stuck
from workflows.figures import DAY, HOUR, MINUTE, Figures, Span
from workflows.models import Breaker, Run
from workflows.presentation.words import duration_in_words

PERCENTILES = {0.5: "half within", 0.95: "95 % within", 0.99: "99 % within"}
# The moment at which all of a chart is counted (figures.py).
AT_SIGN_IN, AT_END = "by when people signed in", "by when runs ended"
# When they were asked, and who serves what.
WORKERS_KEY = "loginwatch.workers.queues"


@dataclass(frozen=True)
class Window:
    """A while up to now, in pieces of which each is ``piece`` long, put together from periods of ``span``."""

    name: str
    length: timedelta
    piece: timedelta
    span: Span
    moment: str


WINDOWS = {
    window.name: window
    for window in (
        Window("hour", HOUR, MINUTE, Span.MINUTE, "%H:%M"),
        Window("day", DAY, 15 * MINUTE, Span.MINUTE, "%H:%M"),
        Window("week", 7 * DAY, 3 * HOUR, Span.HOUR, "%a %H:%M"),
        Window("month", 30 * DAY, 12 * HOUR, Span.HOUR, "%d %b %H:%M"),
    )
}


@dataclass(frozen=True)
class Fact:
    """How something stands now; ``tone`` is how well: good, warn or bad."""

    what: str
    value: str
    tone: str = "good"


def charts(window: Window) -> list[Chart]:
    pieces = _pieces(window)
    moments = [timezone.localtime(at).strftime(window.moment) for at in pieces]
    whole = list(pieces.values())

    def counted(*names: tuple[str, str]) -> list[Series]:
        return [Series(words, [float(one.counts[name]) for one in whole]) for name, words in names]

    def within(share: float) -> list[float | None]:
        return [one.percentile(share) for one in whole]

    # It is counted once a minute. Of what was not counted to its end, a part would be divided by all of its time.
    counted_until = timezone.now() - MINUTE
    minutes = window.piece / MINUTE
    ended = [
        one.counts["runs_ended"] / minutes if at + window.piece <= counted_until else None for at, one in pieces.items()
    ]
    return [
        Chart("Sign-ins", AT_SIGN_IN, moments, counted(("sign_ins", "worked"), ("failures", "failed")), _number,
              stacked=True),
        Chart("Verdicts", AT_SIGN_IN, moments,
              counted(("allow", "fine"), ("challenge", "unusual"), ("deny", "wrong")), _number, stacked=True),
        Chart("New devices and notices", AT_SIGN_IN, moments,
              counted(("new_devices", "new devices"), ("notices", "notices"), ("notices_unsent", "not sent")), _number),
        Chart("How long runs took", AT_END, moments,
              [Series(words, within(share)) for share, words in PERCENTILES.items()],
              duration_in_words),
        Chart("Runs a minute", AT_END, moments, [Series("ended", ended)], lambda value: f"{value:.3g}"),
        Chart("Failures and healing", AT_END, moments,
              counted(("healed", "published again"), ("runs_degraded", "degraded"), ("runs_failed", "runs failed")),
              _number, stacked=True),
    ]  # fmt: skip


def facts() -> list[Fact]:
    """How things stand now; a broker that is away is told as such."""
    workers = _known_workers()
    return [*_queues(unserved(workers) if workers else []), _workers(workers), _oldest(), *_breakers()]


def _pieces(window: Window) -> dict[datetime, Figures]:
    """By the moments at which they begin, the empty ones too. They begin at whole multiples of their length."""
    length = window.piece.total_seconds()
    now = timezone.now()
    last = datetime.fromtimestamp(now.timestamp() // length * length, UTC)
    count = round(window.length / window.piece)
    pieces = {last - window.piece * (count - 1 - number): Figures() for number in range(count)}
    for at, one in figures.read(window.span, min(pieces), now).items():
        pieces[datetime.fromtimestamp(at.timestamp() // length * length, UTC)].add(one)
    return pieces


def _known_workers() -> Workers:
    """Those that answered a moment ago."""
    known: tuple[datetime, Workers] | None = cache.get(WORKERS_KEY)
    return known[1] if known and timezone.now() - known[0] < 3 * MINUTE else {}


def _queues(unserved: list[str]) -> list[Fact]:
    try:
        lengths = backlog.lengths()
    except backlog.BrokerAway:
        return [Fact("Queues", "the broker does not answer", "bad")]
    return [
        Fact(f"Queue {name}", f"{length:,} waiting, and no worker serves it", "bad")
        if name in unserved
        else Fact(f"Queue {name}", f"{length:,} waiting", _tone(length, 100, 10_000))
        for name, length in lengths.items()
    ]


def _workers(workers: Workers) -> Fact:
    if not workers:
        return Fact("Workers", "none has been heard of lately", "bad")
    return Fact("Workers", f"{len(workers)}: {', '.join(workers)}")


def _oldest() -> Fact:
    oldest = stuck.oldest(Run.objects.filter(state__in=Run.UNFINISHED))
    if oldest is None:
        return Fact("Oldest unfinished run", "none")
    age = (timezone.now() - oldest[1]).total_seconds()
    objective = settings.RUN_OBJECTIVE
    return Fact("Oldest unfinished run", duration_in_words(age), _tone(age, objective, 10 * objective))


def _breakers() -> Iterable[Fact]:
    opened = Breaker.objects.filter(opened_at__isnull=False)
    for breaker in opened:
        since = timezone.localtime(breaker.opened_at).strftime("%H:%M")
        yield Fact(f"Breaker {breaker.name}", f"open since {since}", "bad")
    if not opened:
        yield Fact("Breakers", "all closed")


def _tone(value: float, warn: float, bad: float) -> str:
    return "bad" if value >= bad else "warn" if value >= warn else "good"


def _number(value: float) -> str:
    return f"{value:,.10g}"
