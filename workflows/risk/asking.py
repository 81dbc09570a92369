"""One call of the risk service: what it says of a sign-in, and what its breaker learns of that."""

from __future__ import annotations

from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded

from accounts.models import SignIn
from workflows.breakers import Call
from workflows.risk import risk_api


def ask(call: Call, sign_in: SignIn, recent_failures: int, *, key: str) -> dict[str, Any]:
    """The assessment, as risk_api.assess, within a call that has begun; its breaker is told how it went."""
    try:
        assessment = risk_api.assess(sign_in, recent_failures, key=key)
    except risk_api.RiskApiRefused:
        call.answered()
        raise
    except SoftTimeLimitExceeded:
        call.failed("no answer within the time limit")
        raise
    except risk_api.RiskApiAway as error:
        if error.is_fault or call.is_probe:
            call.failed(str(error), error.retry_after)
        raise
    call.answered()
    return assessment
