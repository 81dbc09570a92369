"""Not asking again, for a while, what has just not answered."""

from __future__ import annotations

import time
from collections.abc import Callable


class LocalBreaker:
    """Open for ``seconds`` after each ``trip``; one a process, shared by its threads."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        return self._clock() < self._open_until

    def trip(self) -> None:
        self._open_until = self._clock() + self._seconds

    def close(self) -> None:
        self._open_until = 0.0
