"""Values of several rounds, told by the middle one and how far they lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median, quantiles


def percentile(values: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile: the smallest value that at least ``percent`` % of the values do not exceed."""
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


def with_range(values: Sequence[float], form: str = ".0f") -> str:
    """The median, and the lowest to the highest."""
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def with_middle_half(values: Sequence[float], form: str = ".1f") -> str:
    """The median, and the lower to the upper quartile; of at least two values."""
    lower, _, upper = quantiles(values, n=4)
    return f"{median(values):{form}} ({lower:{form}} to {upper:{form}})"
