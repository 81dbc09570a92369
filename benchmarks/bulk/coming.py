"""People who sign in at a steady rate while something else happens, and how long each waits for the verdict."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from django.db.models import Max

from accounts.models import SignIn
from benchmarks.sign_ins.latency import moments, wait_for_runs
from benchmarks.sign_ins.visitors import NotSignedIn, Visitors, at_rate

# Seconds between two looks at whether it is over.
ROUND = 5.0


@dataclass
class Seen:
    """``verdicts``: milliseconds to each. ``failures``: what was said to whoever was not let in."""

    verdicts: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Coming:
    """``rate`` of ``people`` a second at the server on ``port``."""

    def __init__(self, people: Visitors, port: int, rate: float) -> None:
        self._people, self._port, self._rate = people, port, rate

    def for_seconds(self, seconds: float) -> Seen:
        with self._seen() as seen:
            self._sign_in(seconds, seen)
        return seen

    @contextmanager
    def meanwhile(self) -> Iterator[Seen]:
        """What it yields is complete once the block is over."""
        over = threading.Event()
        with self._seen() as seen:
            thread = threading.Thread(target=self._sign_in_until, args=(over, seen))
            thread.start()
            try:
                yield seen
            finally:
                over.set()
                thread.join()

    @contextmanager
    def _seen(self) -> Iterator[Seen]:
        last = SignIn.objects.aggregate(last=Max("pk"))["last"]
        seen = Seen()
        yield seen
        wait_for_runs()
        seen.verdicts += moments(last)["verdict"]

    def _sign_in_until(self, over: threading.Event, seen: Seen) -> None:
        while not over.is_set():
            self._sign_in(ROUND, seen)

    def _sign_in(self, seconds: float, seen: Seen) -> None:
        come = partial(self._people.sign_in, self._port)
        try:
            asyncio.run(at_rate(come, rate=self._rate, count=max(1, round(self._rate * seconds))))
        except* (NotSignedIn, OSError) as group:
            seen.failures += [str(error) for error in group.exceptions]
