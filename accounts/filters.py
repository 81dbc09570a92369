"""Filters of the admin's lists by time, each of which is a range of an index."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import SignIn

SINCE = "since"
BEGINNINGS: dict[str, tuple[str, Callable[[], datetime]]] = {
    "hour": ("Past hour", lambda: timezone.now() - timedelta(hours=1)),
    "today": ("Today", lambda: timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)),
    "day": ("Past day", lambda: timezone.now() - timedelta(days=1)),
    "week": ("Past 7 days", lambda: timezone.now() - timedelta(days=7)),
    "month": ("Past 30 days", lambda: timezone.now() - timedelta(days=30)),
}
# Sign-ins that are looked at for the least key since a moment.
LOOKED_AT = 1_000


class _HasMoment(Protocol):
    def since(self, request: HttpRequest, queryset: QuerySet[Any], moment: datetime) -> QuerySet[Any]: ...


class SinceFilter(admin.SimpleListFilter):
    """By one of BEGINNINGS, or since any moment. What that means for its rows, the list says (``since``)."""

    title = "time"
    parameter_name = SINCE

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any) -> None:
        self._list = cast(_HasMoment, model_admin)
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(name, words) for name, (words, _) in BEGINNINGS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else self._list.since(request, queryset, _moment(value))


def titled(title: str) -> type[admin.FieldListFilter]:
    """A filter by the choices of another record's field, which alone would not say of what it is."""

    class Titled(admin.ChoicesFieldListFilter):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.title = title

    return Titled


def is_by_time(request: HttpRequest) -> bool:
    """What is asked for is at one end of a list, where PostgreSQL expects it anywhere in the table."""
    return SINCE in request.GET


def pinned(name: str, value: str) -> tuple[str, str]:
    """A parameter of a list's address; where it says how long ago, it says since when."""
    if name == SINCE and value in BEGINNINGS:
        return name, _moment(value).isoformat()
    return name, value


def first_since(moment: datetime) -> int | None:
    """The least key of the sign-ins since then; None where there is none.

    Keys go with the time, but for sign-ins that come at the same moment: so the first few since then are looked at.
    """
    sign_ins = SignIn.objects.filter(emptied_at=None, created_at__gte=moment).order_by("created_at")
    return min(sign_ins.values_list("pk", flat=True)[:LOOKED_AT], default=None)


def of_sign_ins_since(rows: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
    """Those whose ``sign_in`` was since then: a range of its keys, and of each the time.

    A made-up history beside a real one has greater keys, however old it is. The times are no join: of a long range
    PostgreSQL would join and sort all, to count as many as anybody pages.
    """
    first = first_since(moment)
    if first is None:
        return rows.none()
    signed_in_at = SignIn.objects.filter(pk=OuterRef("sign_in")).values("created_at")
    timed: QuerySet[Any] = rows.alias(signed_in_at=Subquery(signed_in_at))
    return timed.filter(sign_in__gte=first, signed_in_at__gte=moment)


def _moment(value: str) -> datetime:
    if value in BEGINNINGS:
        return BEGINNINGS[value][1]()
    try:
        moment = parse_datetime(value)
        # The first and the last day of all are not there in every time zone.
        in_utc = moment.astimezone(UTC) if moment and timezone.is_aware(moment) else None
    except (ValueError, OverflowError):
        in_utc = None
    if in_utc is None:
        raise IncorrectLookupParameters(f"{value!r} is no moment")
    return in_utc
