"""Pauses before another attempt: they double up to a limit, and half of each is left to chance."""

from __future__ import annotations

import random


def pause(attempt: int, *, first: float, longest: float) -> float:
    """Seconds to wait after the ``attempt``-th failure in a row, counted from 1: 0.5 to 1 times the doubled ``first``.

    By chance, so that what failed together does not come back together.
    """
    full = full_pause(attempt, first=first, longest=longest)
    return random.uniform(full / 2, full)  # noqa: S311  spreads load, guards nothing


def full_pause(attempt: int, *, first: float, longest: float) -> float:
    """The most that ``pause`` gives."""
    return min(first * 2.0 ** min(attempt - 1, 30), longest)
