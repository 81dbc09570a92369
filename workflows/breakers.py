"""Not asking a service that does not answer: a breaker for each host, which all worker processes share as a row.

- Closed, everybody asks. A failure adds one to the row, and the first success after it makes it nought again; while
  all is well nothing is written, and the row is read once a second by each process.
- After OPENS_AFTER failures in a row it is open: nobody asks until the time of the next probe. Opening it raises an
  alert, in the same transaction.
- Then one asks, whoever comes first. An answer closes the breaker, another failure doubles the rest.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, DateTimeField, F, Q, Value, When
from django.utils import timezone

from accounts.backoff import full_pause
from workflows.alerting.alerts import raise_alert
from workflows.models import Alert, Breaker

logger = logging.getLogger(__name__)

# One answer that is wrong, or a service that is restarted, shall stop nobody: five in a row are more than the processes
# of a worker on two cores have under way at once, and where the service is silent, two timeouts.
OPENS_AFTER = 5
# Seconds between two probes: doubled each time, up to the longest, which is how late a service is found to be back.
FIRST_REST = 5.0
LONGEST_REST = 60.0
# The most that a service may ask for by Retry-After.
LONGEST_ASKED = 300.0
# Longer than the hard time limit of a task: who probes and says nothing was killed, and another may.
PROBE = timedelta(seconds=40)
# Seconds until those look again who find that somebody is probing.
SOON = 1.0
# Seconds for which a process believes what it has read.
FRESH = 1.0

# By name: when this process read the row, and what it was.
_seen: dict[str, tuple[float, Breaker]] = {}
# By name: when this process last had an answer. Failures before that are no longer in a row.
_answered: dict[str, datetime] = {}


class Open(Exception):
    """The service is not asked now; it may be after ``delay`` seconds."""

    def __init__(self, breaker: Breaker, delay: float) -> None:
        super().__init__(breaker.name, delay)
        self.breaker = breaker
        self.delay = delay

    def __str__(self) -> str:
        return f"{self.breaker.name} has not answered since {self.breaker.opened_at:%H:%M:%S}, and is left alone"


@dataclass
class Call:
    """One call of the service ``name``: ``begin`` it, then say how it went: ``answered``, ``failed`` or ``withdraw``.

    For a probe that says nothing, as its process was killed, the others wait until PROBE is over.
    """

    name: str
    is_probe: bool = field(default=False, init=False)

    def begin(self) -> None:
        """Raises Open where the service is not to be asked."""
        breaker = _look(self.name)
        if not breaker.opened_at:
            return
        if breaker.probe_at and breaker.probe_at <= timezone.now():
            self.is_probe = _claim_probe(self.name)
            breaker = _look(self.name, fresh=True)
        if breaker.opened_at and not self.is_probe:
            raise Open(breaker, _seconds_to_wait(breaker))

    def answered(self) -> None:
        """The service is well. Where it was so before, nothing is written."""
        _answered[self.name] = timezone.now()
        breaker = _look(self.name)
        if breaker.failures or self.is_probe:
            _close(self.name)

    def failed(self, error: str, retry_after: float | None = None) -> None:
        """The service gave no answer, or none that is one. ``retry_after``: the seconds that it asked for."""
        if self.is_probe:
            _go_on_resting(self.name, retry_after)
        else:
            _count_failure(self.name, error, retry_after)
        _look(self.name, fresh=True)

    def withdraw(self) -> None:
        """It says nothing of the service's health. Where it was the probe, another may be that."""
        if self.is_probe:
            probing = Breaker.objects.filter(name=self.name, opened_at__isnull=False, probing=True)
            probing.update(probe_at=timezone.now(), probing=False)


def open_breakers() -> list[Breaker]:
    return list(Breaker.objects.filter(opened_at__isnull=False).order_by("name"))


def described(breaker: Breaker) -> str:
    """An open one, in words."""
    probe = "it is asked again now"
    if breaker.probe_at and not breaker.probing:
        probe = f"it is asked again at {breaker.probe_at:%H:%M:%S %Z}"
    return f"{breaker.name} is left alone since {breaker.opened_at:%Y-%m-%d %H:%M:%S %Z}, {probe}"


def forget() -> None:
    """What this process knows of the breakers."""
    _seen.clear()
    _answered.clear()


def _look(name: str, *, fresh: bool = False) -> Breaker:
    """The row, as it was within the last second; one that is closed where there is none."""
    seen = _seen.get(name)
    if fresh or seen is None or time.monotonic() - seen[0] > FRESH:
        breaker = Breaker.objects.filter(name=name).first() or Breaker(name=name)
        seen = (time.monotonic(), breaker)
        _seen[name] = seen
    return seen[1]


def _seconds_to_wait(breaker: Breaker) -> float:
    if breaker.probing or not breaker.probe_at:
        return SOON
    return max((breaker.probe_at - timezone.now()).total_seconds(), SOON)


def _claim_probe(name: str) -> bool:
    """Of all that come when a probe is due, one may make it."""
    now = timezone.now()
    due = Breaker.objects.filter(name=name, opened_at__isnull=False, probe_at__lte=now)
    return due.update(probe_at=now + PROBE, probing=True) == 1


def _close(name: str) -> None:
    """It was open, or had failures."""
    closed = Breaker.objects.filter(name=name, opened_at__isnull=False).update(
        failures=0, failing_since=None, opened_at=None, probe_at=None, probing=False, closed_at=timezone.now()
    )
    if closed:
        logger.warning("%s answers again", name)
    else:
        Breaker.objects.filter(name=name, failures__gt=0).update(failures=0, failing_since=None)
    _look(name, fresh=True)


@transaction.atomic
def _count_failure(name: str, error: str, retry_after: float | None) -> None:
    """One failure more in a row, which may open the breaker. Where it is open already, it says nothing new."""
    now = timezone.now()
    first = Q(failures=0)
    if name in _answered:
        first |= Q(failing_since__lt=_answered[name])
    closed = Breaker.objects.filter(name=name, opened_at=None)
    if not closed.exists():
        Breaker.objects.get_or_create(name=name)
    closed.update(
        failures=Case(When(first, then=Value(1)), default=F("failures") + 1),
        failing_since=Case(When(first, then=Value(now, DateTimeField())), default=F("failing_since")),
    )
    probe_at = now + _rest(OPENS_AFTER, retry_after)
    if closed.filter(failures__gte=OPENS_AFTER).update(opened_at=now, probe_at=probe_at, probing=False):
        raise_alert(Alert.Kind.BREAKER_OPENED, f"{name}: {OPENS_AFTER} failures in a row, at last: {error}")


def _go_on_resting(name: str, retry_after: float | None) -> None:
    """The probe failed."""
    breaker = Breaker.objects.get(name=name)
    failures = breaker.failures + 1
    Breaker.objects.filter(pk=breaker.pk, opened_at__isnull=False, probing=True, failures=breaker.failures).update(
        failures=failures, probe_at=timezone.now() + _rest(failures, retry_after), probing=False
    )


def _rest(failures: int, retry_after: float | None) -> timedelta:
    """Until the next probe, after so many failures in a row."""
    rest = full_pause(failures - OPENS_AFTER + 1, first=FIRST_REST, longest=LONGEST_REST)
    return timedelta(seconds=max(rest, min(retry_after or 0.0, LONGEST_ASKED)))
