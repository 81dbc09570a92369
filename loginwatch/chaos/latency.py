"""How long sign-ins took, and how often the site had no answer of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from loginwatch.chaos.visitors import Attempt, Visit

# From when to when, as time.time() has it.
Span: TypeAlias = tuple[float, float]

SERVER_ERROR = 500


def seconds_of_sign_ins(
    visits: Iterable[Visit], *, within: Sequence[Span] | None = None, without: Sequence[Span] = ()
) -> list[float]:
    """How long each answered sign-in took, from sending the form.

    ``within``: of those that overlap one of these spans; ``without``: and none of these.
    """
    answered = [attempt for visit in visits for attempt in visit.attempts if attempt.signed_in]
    return [one.seconds for one in answered if (within is None or overlaps(one, within)) and not overlaps(one, without)]


def server_errors(visits: Iterable[Visit], outages: Sequence[Span]) -> int:
    """How many requests were answered 5xx, though the database was not away at any moment of them."""
    attempts = (attempt for visit in visits for attempt in visit.attempts)
    return sum(one.status >= SERVER_ERROR and not overlaps(one, outages) for one in attempts)


def overlaps(attempt: Attempt, spans: Iterable[Span]) -> bool:
    return any(began <= attempt.ended and attempt.began <= ended for began, ended in spans)


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The nearest-rank percentile: the smallest value that at least ``percent`` % of the values do not exceed."""
    if not values:
        return None
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]
