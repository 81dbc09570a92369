"""How long it is kept what is known of people's sign-ins, and how it goes. What each site may choose: docs/scale.md.

A sign-in that is old enough is forgotten: all that hangs on it goes, and its row. But the cookie that it gave may
still come back, and its device would then be unknown. So until that cookie has run out, or was used up by a sign-in
that is forgotten as well, the row stays with its device and its two tokens, emptied of all else.

A session that it began ends with it: which sessions a person has is known by their sign-ins alone (sessions.py), so
nobody could end it any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.device_cookies import MAX_AGE
from accounts.locking import lock_free
from accounts.models import Device, EmailChange, Notice, SecurityEvent, SignIn, Verdict

M = TypeVar("M", bound=Model)

# Rows that one transaction takes up: it lasts some milliseconds.
BATCH = 500
# A day more than a browser keeps a cookie: a sign-in that brought it at the end may wait for a worker.
COOKIE_LIVES = timedelta(seconds=MAX_AGE) + timedelta(days=1)
NOTHING_KNOWN = {
    "ip_address": None,
    "user_agent": "",
    "browser": "",
    "os": "",
    "session_key": "",
    "country": "",
    "place": "",
}
# What is counted beside the rows that are deleted.
EMPTIED = "accounts.SignIn, emptied"


def due_sign_ins() -> QuerySet[SignIn]:
    """Those that are to be forgotten, the oldest first."""
    return older_than(settings.RETENTION_SIGN_INS_DAYS, SignIn.objects.filter(emptied_at=None))


def due_emptied_sign_ins() -> QuerySet[SignIn]:
    """Rows that stayed for a cookie which has run out, the oldest first."""
    emptied = SignIn.objects.filter(emptied_at__isnull=False, created_at__lt=_cookies_end())
    return older_than(settings.RETENTION_SIGN_INS_DAYS, emptied)


def due_failures() -> QuerySet[SecurityEvent]:
    """Sign-ins that failed, the oldest first."""
    of_nothing_else = SecurityEvent.objects.filter(sign_in=None, password_change=None)
    return older_than(settings.RETENTION_FAILED_SIGN_INS_DAYS, of_nothing_else)


def due_email_changes() -> QuerySet[EmailChange]:
    """Those that say of no sign-in any longer where its mails went, the oldest first; their notices go with them."""
    return older_than(settings.RETENTION_SIGN_INS_DAYS, EmailChange.objects.all())


def due_sessions() -> QuerySet[Session]:
    """Those that have run out, the oldest first."""
    return Session.objects.filter(expire_date__lt=timezone.now()).order_by("expire_date")


def forget(sign_ins: Collection[int]) -> Counter[str]:
    """Forget these sign-ins, of which no workflow knows any longer; returns how many rows went, by table.

    Call it in the transaction that has locked them.
    """
    deleted = sum((delete(rows) for rows in _evidence_of(sign_ins)), Counter[str]())
    rows = SignIn.objects.filter(pk__in=sign_ins)
    gone = {*rows.filter(created_at__lt=_cookies_end()).values_list("pk", flat=True), *_used_up_by(rows)}
    emptied = rows.exclude(pk__in=gone).update(emptied_at=timezone.now(), **NOTHING_KNOWN)
    return deleted + Counter({EMPTIED: emptied}) + delete_rows(gone)


def delete_rows(sign_ins: Collection[int]) -> Counter[str]:
    """Delete the rows of sign-ins, and the devices that no other leads to; returns how many, by table.

    The device that a person used last stays: a sign-in to an account without any counts as its first, of which nobody
    is told.
    """
    rows = SignIn.objects.filter(pk__in=sign_ins)
    devices = list(rows.values_list("device", flat=True))
    deleted = delete(rows)
    used = SignIn.objects.filter(device=OuterRef("pk"))
    later = Device.objects.filter(user=OuterRef("user"), last_seen_at__gt=OuterRef("last_seen_at"))
    return deleted + delete(Device.objects.filter(~Exists(used), Exists(later), pk__in=devices))


def count(due: QuerySet[SignIn]) -> Counter[str]:
    """What would go, and be emptied, if all of ``due`` were forgotten; it looks at each row of it.

    Devices are left out: which of them no other sign-in leads to would take longer to find than all else.
    """
    forgotten = due.values("pk")
    used_up = Q(created_at__gte=_cookies_end(), issued_token__in=due.values("presented_token"))
    gone = [due.filter(created_at__lt=_cookies_end()), due.filter(used_up)]
    gone_before = [due_emptied_sign_ins(), SignIn.objects.filter(used_up, emptied_at__isnull=False)]
    emptied = due.count() - sum_of(gone).total()
    return sum_of([*_evidence_of(forgotten), *gone, *gone_before]) + Counter({EMPTIED: emptied})


@transaction.atomic
def delete_oldest(due: QuerySet[M]) -> Counter[str]:
    """Delete a batch of rows on which little or nothing hangs; returns how many, by table."""
    return delete(due.model._default_manager.filter(pk__in=take(due, BATCH)))


def take(due: QuerySet[Any], most: int) -> list[Any]:
    """The keys of the first of ``due``, locked until the transaction ends; what others hold is left out."""
    return list(lock_free(due).values_list("pk", flat=True)[:most])


def older_than(days: int, rows: QuerySet[M], moment: str = "created_at") -> QuerySet[M]:
    """Those of which this moment was so long ago, the oldest first; none where ``days`` is 0, which is for ever."""
    if not days:
        return rows.none()
    return rows.filter(**{f"{moment}__lt": timezone.now() - timedelta(days=days)}).order_by(moment)


def delete(rows: QuerySet[Any]) -> Counter[str]:
    """Delete them with all that hangs on them; returns how many, by table."""
    return Counter(rows.delete()[1])


def sum_of(querysets: Collection[QuerySet[Any]]) -> Counter[str]:
    """How many rows they are, by table."""
    counted = Counter[str]()
    for rows in querysets:
        counted[rows.model._meta.label] += rows.count()
    return counted


def _cookies_end() -> datetime:
    """The cookies of sign-ins before this moment have run out."""
    return timezone.now() - COOKIE_LIVES


def _evidence_of(sign_ins: Collection[int] | QuerySet[Any, Any]) -> list[QuerySet[Any]]:
    """What goes with them. Sessions before notices: a verdict at the same moment locks them in that order."""
    begun = SignIn.objects.filter(pk__in=sign_ins).exclude(session_key="")
    # Those that have run out go by themselves (due_sessions).
    open_ones = Session.objects.filter(pk__in=begun.values("session_key"), expire_date__gte=timezone.now())
    follow_ups = Notice.objects.filter(follow_up_of__sign_in__in=sign_ins)
    of_them = (model.objects.filter(sign_in__in=sign_ins) for model in (Notice, SecurityEvent, Verdict))
    return [open_ones, follow_ups, *of_them]


def _used_up_by(forgotten: QuerySet[SignIn]) -> list[int]:
    """Sign-ins whose cookie came back with one of ``forgotten``, and of which nothing is to be known either."""
    tokens = list(forgotten.exclude(presented_token="").values_list("presented_token", flat=True))
    known_no_longer = Q(emptied_at__isnull=False) | Q(pk__in=forgotten.values("pk"))
    return list(SignIn.objects.filter(known_no_longer, issued_token__in=tokens).values_list("pk", flat=True))
