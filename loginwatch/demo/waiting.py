"""Waiting for a condition, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE = 0.05


def wait_until(condition: Callable[[], bool], *, limit: float) -> bool:
    """Ask until ``condition`` holds; False where it does not within ``limit`` seconds."""
    give_up_at = time.monotonic() + limit
    while not condition():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(PAUSE)
    return True
