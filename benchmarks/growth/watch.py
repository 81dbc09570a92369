"""How long something takes, and the statement that took longest of it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


class Watch:
    """``ms``: milliseconds of each time, by what was done. ``slowest``: the slowest statement of all times, and its."""

    def __init__(self) -> None:
        self.ms: dict[str, list[float]] = defaultdict(list)
        self.slowest: dict[str, tuple[float, str]] = {}
        self._what = ""

    @contextmanager
    def timing(self, what: str) -> Iterator[None]:
        self._what = what
        began = time.perf_counter()
        with connection.execute_wrapper(self._note):
            yield
        self.ms[what].append(1000 * (time.perf_counter() - began))

    def _note(self, execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, *arguments)
        finally:
            took = (1000 * (time.perf_counter() - began), sql)
            self.slowest[self._what] = max(self.slowest.get(self._what, (0.0, "")), took)
