"""The security log: what happened to an account, appended and never changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from django.utils import timezone

from accounts import sql
from accounts.models import PasswordChange, SecurityEvent, SignIn, User

# Failures this old still belong to the same attempt at an account.
FAILURES_WINDOW = timedelta(hours=1)


def record_event(sign_in: SignIn, kind: SecurityEvent.Kind, details: dict[str, Any]) -> int:
    """Write the event of this kind for this sign-in, once however often this is called; returns its id."""
    row = sql.fetch(
        "INSERT INTO accounts_securityevent (kind, user_id, sign_in_id, ip_address, details, created_at) "
        "VALUES (%(kind)s, %(user)s, %(sign_in)s, %(ip_address)s, %(details)s, %(created_at)s) "
        # One that is there already stays as it is: it is "updated" by what it says, for its id.
        "ON CONFLICT (sign_in_id, kind) DO UPDATE SET kind = excluded.kind RETURNING id",
        SecurityEvent,
        kind=kind,
        user=sign_in.user_id,
        sign_in=sign_in.pk,
        ip_address=sign_in.ip_address,
        details=details,
        created_at=timezone.now(),
    )
    return int(cast(tuple[int], row)[0])


def append_event(
    user: User, kind: SecurityEvent.Kind, details: dict[str, Any], *, ip_address: str | None = None
) -> None:
    """Write an event of an account that is of no sign-in, as often as this is called."""
    SecurityEvent.objects.create(user=user, kind=kind, details=details, ip_address=ip_address)


def record_password_event(change: PasswordChange, kind: SecurityEvent.Kind, details: dict[str, Any]) -> int:
    """Write the event of this kind for this change, once however often this is called; returns its id."""
    event, _ = SecurityEvent.objects.get_or_create(
        password_change=change,
        kind=kind,
        defaults={"user": change.user, "ip_address": change.ip_address, "details": details},
    )
    return int(event.pk)


def count_failures_before(user_id: int, moment: datetime) -> int:
    """How many sign-ins to this account failed in the hour before ``moment``."""
    row = sql.fetch(
        "SELECT COUNT(*) FROM accounts_securityevent WHERE user_id = %(user)s AND kind = 'sign_in_failed' "
        "AND created_at >= %(created_at__from)s AND created_at <= %(created_at__to)s",
        SecurityEvent,
        user=user_id,
        created_at__from=moment - FAILURES_WINDOW,
        created_at__to=moment,
    )
    return int(cast(tuple[int], row)[0])
