"""What the reference risk service would say of a sign-in, and what the site does about it (riskapi/rule.py)."""

from __future__ import annotations

import json
from functools import cache
from typing import NamedTuple

# Points of a reason, and from where a level begins.
POINTS = {"new_device": 30, "suspicious_device": 40, "new_network": 15, "new_country": 30}
TEXTS = {
    "new_device": "This device has not signed in to this account before.",
    "suspicious_device": "The device showed an identity that had already been replaced: it may have been copied.",
    "new_network": "This account has not been used from this network before.",
    "new_country": "This account has not been used from this country before.",
}
FAILURE, FAILURES_MOST, MEDIUM, HIGH = 10, 30, 30, 70
DECISIONS = {"low": "allow", "medium": "challenge", "high": "deny"}


class Assessment(NamedTuple):
    """``reasons`` is JSON."""

    score: int
    level: str
    decision: str
    action: str
    reasons: str


@cache
def assess(codes: tuple[str, ...], failures: int) -> Assessment:
    """``failures``: how many attempts failed before."""
    reasons = [{"code": code, "text": TEXTS[code], "points": POINTS[code]} for code in codes]
    score = sum(POINTS[code] for code in codes)
    if failures:
        points = min(FAILURES_MOST, FAILURE * failures)
        reasons.append({"code": "recent_failures", "text": f"{failures} failed before.", "points": points})
        score += points
    score = min(100, score)
    level = "high" if score >= HIGH else "medium" if score >= MEDIUM else "low"
    decision = DECISIONS[level]
    return Assessment(score, level, decision, "nothing" if decision == "allow" else "flagged", json.dumps(reasons))
