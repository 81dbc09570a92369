"""How runs that waited for the risk service come back: spread over the time that its limited rate needs for all."""

from __future__ import annotations

import time

from django.conf import settings

from workflows.models import Run

# Few come back within a second; of very many the worker's rate limit does the rest (worker/consumer.py).
LEAST = 1.0
LONGEST = 300.0
# Seconds for which a process believes how many it has counted.
FRESH = 10.0

# When this process counted them, and how many they were.
_counted: list[tuple[float, int]] = []


def seconds() -> float:
    """Over how many seconds from the next probe on those that wait now are to come back."""
    return min(max(_waiting() / settings.RISK_API_RATE, LEAST), LONGEST)


def forget() -> None:
    """What this process has counted."""
    _counted.clear()


def _waiting() -> int:
    if not _counted or time.monotonic() - _counted[0][0] > FRESH:
        _counted[:] = [(time.monotonic(), Run.objects.filter(state=Run.State.RETRYING).count())]
    return _counted[0][1]
