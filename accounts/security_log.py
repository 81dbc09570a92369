"""The security log: what happened to an account, appended and never changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from accounts.models import SecurityEvent, SignIn

# Failures this old still belong to the same attempt at an account.
FAILURES_WINDOW = timedelta(hours=1)


def record_event(sign_in: SignIn, kind: SecurityEvent.Kind, details: dict[str, Any]) -> int:
    """Write the event of this kind for this sign-in, once however often this is called; returns its id."""
    event = SecurityEvent(
        sign_in=sign_in, kind=kind, user_id=sign_in.user_id, ip_address=sign_in.ip_address, details=details
    )
    # One statement. An event that is there already stays as it is: it is "updated" by what it says, for its key.
    one_a_sign_in = ["sign_in", "kind"]
    SecurityEvent.objects.bulk_create(
        [event], update_conflicts=True, unique_fields=one_a_sign_in, update_fields=["kind"]
    )
    return event.pk


def count_failures_before(user_id: int, moment: datetime) -> int:
    """How many sign-ins to this account failed in the hour before ``moment``."""
    return SecurityEvent.objects.filter(
        user_id=user_id,
        kind=SecurityEvent.Kind.SIGN_IN_FAILED,
        created_at__gte=moment - FAILURES_WINDOW,
        created_at__lte=moment,
    ).count()
