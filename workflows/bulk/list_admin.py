"""Bulk jobs from the admin's lists: each action leads to a page that asks, and queues a job, which returns at once."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID, uuid4

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from accounts.filters import is_by_time
from accounts.models import User
from accounts.paging import count_up_to, patience_of_action
from workflows import confirming
from workflows.bulk import jobs, registry, selection
from workflows.bulk.models import BulkJob
from workflows.bulk.registry import Action
from workflows.models import Run

PREFIX = "bulk_"
# Rows that the page which asks counts; the job counts all.
MOST_COUNTED = 10_000


class BulkAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # at run time it is not generic
    """A list whose rows bulk jobs can act on."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        if IS_POPUP_VAR in request.GET:
            return actions
        for action in registry.actions_of(self.model):
            if selection.is_open_to(cast(User, request.user), action):
                name = PREFIX + action.name
                actions[name] = (partial(_ask_or_queue, action), name, f"Bulk job: {action.title}")  # type: ignore[assignment]
        return actions

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *where: Any) -> HttpResponse | None:
        """Django takes what was ticked for ids as it came."""
        try:
            for one in request.POST.getlist(ACTION_CHECKBOX_NAME):
                selection.read_id(self.model, one)
        except selection.NotReadable as error:
            return HttpResponse(str(error), status=HTTPStatus.BAD_REQUEST, content_type="text/plain")
        return super().response_action(request, queryset, *where)


def add_to_admin(model: type[Model]) -> None:
    """Have the list that the admin has of this model offer its bulk actions."""
    whole = type(admin.site.get_model_admin(model))
    admin.site.unregister(model)
    admin.site.register(model, type(whole.__name__, (BulkAdmin, whole), {}))


def _ask_or_queue(
    action: Action, model_admin: BulkAdmin, request: HttpRequest, queryset: QuerySet[Any]
) -> HttpResponse | None:
    with patience_of_action():
        ticked = None if confirming.is_of_all(request) else _ticked(queryset)
        number = (
            count_up_to(MOST_COUNTED + 1, queryset, in_order=is_by_time(request)) if ticked is None else len(ticked)
        )
    if not number:
        model_admin.message_user(request, "Nothing is selected any longer: no job was started.", messages.WARNING)
        return None
    try:
        chosen = _selection(action, request, ticked)
        return _ask_or_queue_chosen(action, model_admin, request, queryset, number, chosen)
    except (jobs.Refused, selection.NotReadable) as refusal:
        model_admin.message_user(request, str(refusal), messages.ERROR)
        return None


def _ask_or_queue_chosen(
    action: Action,
    model_admin: BulkAdmin,
    request: HttpRequest,
    queryset: QuerySet[Any],
    number: int,
    chosen: dict[str, Any],
) -> HttpResponse:
    """Raises Refused."""
    is_sent = "confirmed" in request.POST
    form = action.form(request.POST if is_sent else None, prefix="p")
    parameters = form.cleaned_data if form.is_valid() else {}
    token, dry_run = _token(request), "dry_run" in request.POST
    twin = None if dry_run else jobs.twin_of(action, selection=chosen, parameters=parameters, token=token)
    is_confirmed = is_sent and form.is_valid() and number <= confirming.confirmed(request)
    is_preview = is_confirmed and "preview" in request.POST
    if not is_confirmed or token is None or is_preview or not _was_shown(twin, request):
        return _ask(action, model_admin, request, queryset, number, form, twin, shown=is_preview)
    job, is_new = jobs.queue(
        action,
        selection=_confirmed(action, chosen, number, model_admin),
        parameters=parameters,
        by=cast(User, request.user),
        token=token,
        dry_run=dry_run,
        known=[twin] if twin else [],
    )
    if not is_new:
        model_admin.message_user(request, "This job was started already: here it is.", messages.INFO)
    return redirect("admin:workflows_bulkjob_change", job.pk)


def _ask(
    action: Action,
    model_admin: BulkAdmin,
    request: HttpRequest,
    queryset: QuerySet[Any],
    number: int,
    form: forms.Form,
    twin: BulkJob | None,
    *,
    shown: bool,
) -> TemplateResponse:
    with patience_of_action():
        first = queryset.first() if shown and action.preview else None
    context = {
        **model_admin.admin_site.each_context(request),
        **confirming.context(request, PREFIX + action.name, number),
        "title": f"{action.heading}?",
        "opts": model_admin.opts,
        "action": action,
        "selected": _in_words(number, model_admin),
        "is_cut": number > MOST_COUNTED,
        "grown": "confirmed" in request.POST and number > confirming.confirmed(request),
        "form": form,
        "has_preview": action.preview is not None,
        "preview": action.preview(first, form.cleaned_data) if first and action.preview else "",
        "token": _token(request) or uuid4(),
        "twin": twin,
        "may_see_twin": twin and admin.site.get_model_admin(BulkJob).has_view_permission(request, twin),
    }
    return TemplateResponse(request, "admin/workflows/bulkjob/ask.html", context)


def _was_shown(twin: BulkJob | None, request: HttpRequest) -> bool:
    """Whether who confirms has been told of the job that does the same, if there is one."""
    return twin is None or request.POST.get("twin") == str(twin.pk)


def _ticked(queryset: QuerySet[Any]) -> list[Any]:
    """The keys of what was ticked and is in the list by now: these are counted, and these are done.

    Whatever else the form says: a row may have left the list since, or was never in it.
    """
    return list(queryset.order_by().values_list("pk", flat=True)[: selection.MOST_IDS + 1])


def _selection(action: Action, request: HttpRequest, ticked: list[Any] | None) -> dict[str, Any]:
    if ticked is None:
        return selection.of_query(action, request.GET.urlencode())
    return selection.of_ids(action, ticked)


def _confirmed(action: Action, chosen: dict[str, Any], number: int, model_admin: BulkAdmin) -> dict[str, Any]:
    """The number is for who approves, too: a second person agrees to what the first one was told.

    Runs come into a state and leave it by themselves, and fastest while they are acted on for that: theirs is held
    only where somebody else agrees to it.
    """
    if number <= MOST_COUNTED and (action.listed is not Run or jobs.needs_approval(action)):
        chosen = selection.bounded(chosen, number)
    return chosen | {"confirmed": _in_words(number, model_admin)}


def _in_words(number: int, model_admin: BulkAdmin) -> str:
    """ "12 users"; what is counted no further, "more than 10,000 users"."""
    model = model_admin.model
    is_cut = number > MOST_COUNTED
    return f"more than {selection.in_words(MOST_COUNTED, model)}" if is_cut else selection.in_words(number, model)


def _token(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.POST.get("token", ""))
    except ValueError:
        return None
