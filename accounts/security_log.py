"""The security log: what happened to an account, appended and never changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from accounts.models import SecurityEvent, SignIn

# Failures this old still belong to the same attempt at an account.
FAILURES_WINDOW = timedelta(hours=1)


def record_event(sign_in: SignIn, kind: SecurityEvent.Kind, details: dict[str, Any]) -> SecurityEvent:
    """The event of this kind for this sign-in, written once however often this is called."""
    event, _ = SecurityEvent.objects.get_or_create(
        sign_in=sign_in,
        kind=kind,
        defaults={"user_id": sign_in.user_id, "ip_address": sign_in.ip_address, "details": details},
    )
    return event


def count_failures_before(user_id: int, moment: datetime) -> int:
    """How many sign-ins to this account failed in the hour before ``moment``."""
    return SecurityEvent.objects.filter(
        user_id=user_id,
        kind=SecurityEvent.Kind.SIGN_IN_FAILED,
        created_at__gte=moment - FAILURES_WINDOW,
        created_at__lte=moment,
    ).count()
