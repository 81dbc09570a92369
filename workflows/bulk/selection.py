"""What a job acts on: rows that were ticked, all that a filter of the admin's list matches for its requester, or all.

It is described, not listed, and looked up again by the worker with the requester's permissions of that moment.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

from django.contrib import admin
from django.contrib.admin.options import IS_FACETS_VAR, IS_POPUP_VAR, TO_FIELD_VAR, IncorrectLookupParameters
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.test import RequestFactory

from accounts.filters import pinned
from accounts.models import User
from accounts.paging import PagedAdmin, WrongValue
from workflows.bulk import registry
from workflows.bulk.models import BulkJob
from workflows.bulk.registry import Action

# Rows that can be ticked; more are selected by a filter.
MOST_IDS = 1_000
# They say what is seen of the list and how, not what is in it.
OF_THE_PAGE = {PAGE_VAR, ALL_VAR, ORDER_VAR, ERROR_FLAG, IS_FACETS_VAR, IS_POPUP_VAR, TO_FIELD_VAR}


class NotAllowed(Exception):
    """Who asked for the job may not, or not any longer. The text is a sentence for people."""


class NotReadable(Exception):
    """What is described is no selection of this model. The text is a sentence for people."""


class Grown(Exception):
    """More is selected by now than was confirmed. The text is a sentence for people."""


def of_ids(action: Action, ids: Collection[Any]) -> dict[str, Any]:
    """Raises NotReadable."""
    if len(ids) > MOST_IDS:
        raise NotReadable(f"More than {MOST_IDS:,} ids are given. Select by a filter instead.")
    return {"ids": [str(read_id(action.listed, one)) for one in ids], **_bounds(action)}


def of_query(action: Action, query: str) -> dict[str, Any]:
    """All that the list shows with this in its address, and what it then leaves out without a word is said."""
    pairs = [pinned(*pair) for pair in filter_of(query)]
    unsaid = cast(PagedAdmin, admin.site.get_model_admin(action.listed)).unsaid(dict(pairs))
    return {"query": urlencode([*pairs, *unsaid.items()]), **_bounds(action)}


def of_all(action: Action) -> dict[str, Any]:
    """All rows that who asks for the job sees, also those that the list leaves out unless it is asked for them."""
    return {"all": True, **_bounds(action)}


def filter_of(query: str) -> list[tuple[str, str]]:
    """Of a query string of a list, what says which rows are in it."""
    return [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in OF_THE_PAGE]


def bounded(chosen: dict[str, Any], number: int) -> dict[str, Any]:
    """This selection, of no more rows of the list than these, which were confirmed."""
    return chosen | {"at_most": number}


def as_tried(action: Action, tried: dict[str, Any], total: int) -> dict[str, Any]:
    """What a dry run selected, of no more rows than it had."""
    return tried | {"confirmed": in_words(total, action.model), "rows_at_most": total}


def hold_to_number(action: Action, selection: dict[str, Any], by: User, total: int) -> None:
    """Who started the job, and who approved it, agreed to a number of rows: more it has not, though more match since.

    ``total``: rows of the job. Raises Grown.
    """
    if (most := selection.get("at_most")) is not None:
        number = _chosen(action.listed, selection, by).order_by().count() if action.through else total
        _hold_to(most, number, action.listed)
    if (most := selection.get("rows_at_most")) is not None:
        _hold_to(most, total, action.model)


def in_words(number: int, model: type[Model]) -> str:
    """ "12 users"."""
    return f"{number:,} {model._meta.verbose_name if number == 1 else model._meta.verbose_name_plural}"


def is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether they describe the same rows, but for those that came between them."""
    return _described(one) == _described(other)


def read_id(model: type[Model], one: Any) -> Any:
    """Raises NotReadable."""
    try:
        return model._meta.pk.clean(one, None)
    except ValidationError as error:
        raise NotReadable(f"{str(one)[:64]!r} is no id of a {model._meta.verbose_name}.") from error


def requester_of(job: BulkJob) -> User:
    """Who asked for the job, where they still may. Raises NotAllowed."""
    by = job.requested_by
    if by is None:
        raise NotAllowed("The account that started the job is gone.")
    action = registry.get(job.action)
    if not registry.may(by, action):
        raise NotAllowed(f"{by.get_username()} has no longer the permission {action.full_permission}.")
    return by


def selected(action: Action, selection: dict[str, Any], by: User) -> QuerySet[Any]:
    """The rows of the selection that ``by`` sees. Raises NotAllowed or NotReadable."""
    chosen = _chosen(action.listed, selection, by)
    if not action.through:
        return chosen
    rows = visible(action, by).filter(**{f"{action.through}__in": chosen.order_by().values("pk")})
    return _up_to(selection["rows_up_to"], rows)


def visible(action: Action, by: User) -> QuerySet[Any]:
    """All rows of the action's model that ``by`` sees. Raises NotAllowed."""
    return _visible(action.model, by)


def is_open_to(by: User, action: Action) -> bool:
    """Who may do it, and see such rows."""
    try:
        visible(action, by)
    except NotAllowed:
        return False
    return registry.may(by, action)


def _chosen(model: type[Model], selection: dict[str, Any], by: User) -> QuerySet[Any]:
    rows = _visible(model, by)
    if "ids" in selection:
        return _up_to(selection["up_to"], rows.filter(pk__in=selection["ids"]))
    if "all" in selection:
        return _up_to(selection["up_to"], rows)
    query = selection.get("query", "")
    request = _request_of(by, model, query)
    unreadable = NotReadable(f"The filter cannot be read: {query[:200]!r}")
    try:
        changelist = admin.site.get_model_admin(model).get_changelist_instance(request)
        rows = changelist.get_queryset(request)
    except (IncorrectLookupParameters, SuspiciousOperation, ValidationError, ValueError, WrongValue) as error:
        raise unreadable from error
    if changelist.query != request.GET.get(SEARCH_VAR, ""):  # the list shows all rows then, and says why
        raise unreadable
    return _up_to(selection["up_to"], rows)


def _hold_to(most: int, number: int, model: type[Model]) -> None:
    if number > most:
        now, confirmed = in_words(number, model), f"{most:,} {'was' if most == 1 else 'were'} confirmed"
        raise Grown(f"{now} match now, and {confirmed}: nothing was done. Start the job anew from the list.")


def _visible(model: type[Model], by: User) -> QuerySet[Any]:
    model_admin = admin.site.get_model_admin(model)
    request = _request_of(by, model)
    if not model_admin.has_view_permission(request):
        raise NotAllowed(f"{by.get_username()} may not see {model._meta.verbose_name_plural}.")
    return model_admin.get_queryset(request)


def _up_to(newest: str | None, rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.none() if newest is None else rows.filter(pk__lte=newest)


def _described(selection: dict[str, Any]) -> Collection[Any]:
    """All rows are what a filter matches that says nothing."""
    if "ids" in selection:
        return frozenset(selection["ids"])
    return sorted(parse_qsl(selection.get("query", ""), keep_blank_values=True))


def _bounds(action: Action) -> dict[str, str | None]:
    """What comes into the list after this, or leads to what is in it, was not asked about."""
    bounds = {"up_to": _newest(action.listed)}
    return bounds | {"rows_up_to": _newest(action.model)} if action.through else bounds


def _newest(model: type[Model]) -> str | None:
    """The greatest id: ids count, or begin with the time (run_ids.py).

    Not so of runs on a site that is older than those ids (migration 0004): of its random ones there is one above all
    that are to come. There a job takes up runs that begin before its selection has come by them: within seconds, or
    where it has to be approved, as to cancel runs, until then.
    """
    newest = model._default_manager.order_by("-pk").values_list("pk", flat=True).first()
    return None if newest is None else str(newest)


def _request_of(by: User, model: type[Model], query: str = "") -> HttpRequest:
    """The admin asks a request who is there, and what their filter is."""
    request = RequestFactory().get(f"/?{query}")
    request.user = by
    # What the list would say beside its rows, nobody reads here.
    request._messages = CookieStorage(request)  # type: ignore[attr-defined]
    return request
