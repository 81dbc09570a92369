"""Pages of lists that grow without end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from http import HTTPStatus
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ERROR_FLAG, ChangeList
from django.core.paginator import Page, Paginator
from django.db import DataError, NotSupportedError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.functional import cached_property

from accounts.filters import is_by_time

# As far as anybody pages. A search, or a filter, leads to what is older. In a big site each row of a rare kind is on
# pages of its own, which come from the disk.
MOST = 500
A_PAGE = 50
# Seconds that a statement of a list may take; and where somebody asks to wait, or has chosen an action.
PATIENCE, LONG_PATIENCE = 0.25, 20.0
WAIT = "wait"
QUERY_CANCELED = "57014"
# As the database says it, or its driver, or Django while it makes the statement.
UNREADABLE = (DataError, NotSupportedError, OverflowError, ValueError)


class TookTooLong(Exception):
    """The database was stopped at a statement, which would have looked at too much."""


class WrongValue(Exception):
    """A value that was asked for, which its field takes, is none that the database can look for."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # at run time it is not generic
    """Counts no more than MOST rows: to count all of a table the database reads all of it.

    Of a page it finds the keys first, for which indexes mostly do, and then reads these rows: otherwise PostgreSQL
    reads whole rows of other tables to find the few that belong to it.
    """

    in_order = False
    # All of the list, whether they match or not, with what is shown of other tables.
    rows: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST)

    @property
    def is_cut(self) -> bool:
        """There are more than it counts."""
        return self._counted > MOST

    def page(self, number: int | str) -> Page[Any]:
        """Raises InvalidPage."""
        number = self.validate_number(number)
        matching: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        first = (number - 1) * self.per_page
        keys = list(matching.values_list("pk", flat=True)[first : min(first + self.per_page, self.count)])
        found = self.rows.in_bulk(keys)
        return Page([found[key] for key in keys if key in found], number, self)

    @cached_property
    def _counted(self) -> int:
        """This is the first statement that has in it what was asked for. Raises WrongValue."""
        try:
            return count_up_to(MOST + 1, self.object_list, in_order=self.in_order)  # type: ignore[arg-type]  # a query set
        except UNREADABLE as error:
            raise WrongValue from error


def count_up_to(most: int, rows: QuerySet, *, in_order: bool) -> int:  # type: ignore[type-arg]  # of any model
    """How many there are. Whether to look for them in their order is for who knows where they are."""
    return (rows if in_order else rows.order_by())[:most].count()


class PagedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # at run time it is not generic
    """A list that is a page long, however long it is: what would take longer is given up, and said so."""

    paginator = BoundedPaginator
    list_per_page = A_PAGE
    show_full_result_count = False
    # They would be counts of all rows.
    show_facets = admin.ShowFacets.NEVER
    # By any other column than that of its index, all rows would be sorted.
    sortable_by = ()

    def unsaid(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """What the list is filtered by, beside what its address says."""
        return {}

    def get_paginator(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **options: Any) -> Any:
        if queryset.model is not self.model:  # the history of one record is a list of other rows
            return Paginator(queryset, *args, **options)
        paginator: Any = super().get_paginator(request, queryset, *args, **options)
        paginator.in_order = is_by_time(request)
        paginator.rows = self.get_queryset(request)
        paginator.rows.query.select_related = queryset.query.select_related
        return paginator

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Where an action follows, this is limited by itself: what the action does has transactions of its own."""
        if request.method != "POST":
            return super().get_changelist_instance(request)
        with patience_of_action():
            changelist = super().get_changelist_instance(request)
            len(changelist.result_list)  # which Django would read later
        return changelist

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        asked = request.GET.copy()
        is_action = request.method == "POST"
        seconds = LONG_PATIENCE if asked.pop(WAIT, None) or is_action else PATIENCE
        request.GET = asked  # type: ignore[assignment]  # read, and no more
        if ERROR_FLAG in asked and request.method == "GET":
            messages.warning(request, "What the list was asked for could not be read. Here it is without that.")
        try:
            with nullcontext() if is_action else patience(seconds):
                return super().changelist_view(request, extra_context)
        except WrongValue:
            if not asked.keys() - {ERROR_FLAG}:
                raise
            # As Django does with a value that its field does not take.
            return redirect(f"{request.path}?{ERROR_FLAG}=1")
        except TookTooLong:
            context = {
                **self.admin_site.each_context(request),
                "title": f"Too many {self.opts.verbose_name_plural} to look through",
                "opts": self.opts,
                "seconds": seconds,
                "is_action": is_action,
                "longer": f"?{asked.urlencode()}&{WAIT}=1" if seconds < LONG_PATIENCE else "",
                "long_patience": LONG_PATIENCE,
            }
            return TemplateResponse(request, "admin/too_long.html", context, status=HTTPStatus.SERVICE_UNAVAILABLE)


def patience_of_action() -> AbstractContextManager[None]:
    """For what an action looks through before it does anything. Raises TookTooLong, which the list answers."""
    return patience(LONG_PATIENCE)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Let no statement in the block take longer, on PostgreSQL. Raises TookTooLong."""
    if connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = %s", [round(seconds * 1000)])
            yield
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", None) != QUERY_CANCELED:
            raise
        raise TookTooLong from error
