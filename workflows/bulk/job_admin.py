"""Bulk jobs in the admin: the list of them, and the page of each, on which it is stopped, gone on with, and retried."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from accounts.admin import ReadOnlyAdmin
from accounts.filters import SinceFilter
from accounts.models import User
from workflows.bulk import files, jobs, registry, selection, upkeep
from workflows.bulk.actions.exports import may_see_users
from workflows.bulk.jobs import Act
from workflows.bulk.models import BulkChunk, BulkJob
from workflows.bulk.progress import progress_of, title_of

# Failed rows that the page shows; the file has all.
MOST_SHOWN = 1_000
State = BulkJob.State
# What a button of the page does to the job that it shows.
STEERING: dict[Act, Callable[..., None]] = {
    Act.APPROVE: jobs.approve,
    Act.DECLINE: jobs.decline,
    Act.STOP: jobs.stop,
    Act.GO_ON: jobs.go_on,
    Act.RETRY: jobs.retry_failed,
}


class ActionFilter(admin.SimpleListFilter):
    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(action.name, f"{action.heading} ({action.name})") for action in registry.all_actions()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(action=self.value()) if self.value() else queryset


class BulkJobAdmin(ReadOnlyAdmin):
    """Who may see jobs sees all; who may only do something to many rows, or approve that, sees what concerns them."""

    list_display = ("created_at", "what", "state", "how_far", "failed", "requested_by", "dry_run")
    list_filter = (SinceFilter, "state", ActionFilter, "dry_run")
    list_select_related = ("requested_by",)
    search_person = "requested_by"
    search_id = "pk"
    exclude = ("token",)

    @admin.display(description="action")
    def what(self, job: BulkJob) -> str:
        return title_of(job)

    @admin.display(description="rows")
    def how_far(self, job: BulkJob) -> str:
        return f"{job.processed:,} of {job.total:,}"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None:
            return self.get_queryset(request).filter(pk=obj.pk).exists()
        user = cast(User, request.user)
        may_act = any(registry.may(user, action) for action in registry.all_actions())
        return may_act or super().has_view_permission(request) or user.has_perm("workflows.approve_bulkjob")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BulkJob]:
        found: QuerySet[BulkJob] = super().get_queryset(request).select_related("requested_by", "approved_by")
        if super().has_view_permission(request):
            return found
        theirs = Q(requested_by=request.user.pk) | Q(approved_by=request.user.pk)
        if request.user.has_perm("workflows.approve_bulkjob"):
            theirs |= Q(state=State.WAITING)
        return found.filter(theirs)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:job_id>/panel/", never_cache(require_safe(self.panel)), name="workflows_bulkjob_panel"),
            path("<uuid:job_id>/failures.csv", view(self.failures_file), name="workflows_bulkjob_failures"),
            path("<uuid:job_id>/export.csv", view(self.export_file), name="workflows_bulkjob_export"),
            path("<uuid:job_id>/start/", view(require_POST(self.start)), name="workflows_bulkjob_start"),
            *(
                path(
                    f"<uuid:job_id>/{act}/",
                    view(require_POST(partial(self.steer, what))),
                    name=f"workflows_bulkjob_{act}",
                )
                for act, what in STEERING.items()
            ),
            *super().get_urls(),
        ]

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        job = self._job(request, object_id)
        shown = job.failures.order_by("pk")[:MOST_SHOWN]
        context = {
            **self.admin_site.each_context(request),
            **_panel(job),
            "may": {act.name.lower(): not jobs.why_not(job, act, cast(User, request.user)) for act in Act},
            "may_download": self._may_download(request, job),
            "title": title_of(job),
            "opts": self.opts,
            "failures": shown,
            "most_shown": MOST_SHOWN,
        }
        return TemplateResponse(request, "admin/workflows/bulkjob/job.html", context)

    def panel(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        """The moving part of the page; when the state has changed, and what may be done with it, the whole page is."""
        if not self.admin_site.has_permission(request):
            return HttpResponseClientRefresh()
        job = self._job(request, job_id)
        if request.GET.get("seen", job.state) != job.state:
            return HttpResponseClientRefresh()
        return TemplateResponse(request, "admin/workflows/bulkjob/panel.html", _panel(job))

    def steer(self, what: Callable[..., None], request: HttpRequest, job_id: UUID) -> HttpResponse:
        job = self._job(request, job_id)
        try:
            what(job, by=request.user)
        except jobs.Refused as refusal:
            self.message_user(request, str(refusal), messages.WARNING)
        job.refresh_from_db()
        if self.has_view_permission(request, job):
            return redirect("admin:workflows_bulkjob_change", job.pk)
        # Who sees no more than what waits for them has decided about it, or another has.
        self.message_user(request, f"{title_of(job)}: the job is {job.get_state_display()}.")
        return redirect("admin:workflows_bulkjob_changelist")

    def start(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        job = self._job(request, job_id)
        try:
            job = jobs.start_for_real(job, by=cast(User, request.user))
        except jobs.Refused as refusal:
            self.message_user(request, str(refusal), messages.WARNING)
        return redirect("admin:workflows_bulkjob_change", job.pk)

    def failures_file(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        job = self._job(request, job_id)
        return cast(HttpResponse, files.as_download(files.failures(job), f"failed-{job.pk}.csv"))

    def export_file(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        job = self._job(request, job_id)
        if not self._may_download(request, job):
            raise Http404
        action = registry.get(job.action)
        return cast(HttpResponse, files.as_download(files.export(job, action), f"{action.name}-{job.pk}.csv"))

    def _job(self, request: HttpRequest, job_id: UUID | str) -> BulkJob:
        try:
            key = job_id if isinstance(job_id, UUID) else UUID(job_id)
        except ValueError:
            raise Http404 from None
        return get_object_or_404(self.get_queryset(request), pk=key)

    def _may_download(self, request: HttpRequest, job: BulkJob) -> bool:
        """Who may export now, and see such rows; while there is something to download. Another's file may have
        addresses, for which one has to be allowed to see users as well.
        """
        if not registry.writes_file(job.action) or job.is_active or not upkeep.keeps(job):
            return False
        user = cast(User, request.user)
        if user.pk != job.requested_by_id and not may_see_users(user):
            return False
        return BulkChunk.objects.filter(job=job).exists() and selection.is_open_to(user, registry.get(job.action))


def _panel(job: BulkJob) -> dict[str, Any]:
    return {
        "job": job,
        "progress": progress_of(job),
        "moves": job.is_active or job.state == State.WAITING,
        "refusals": _refusals(job),
    }


def _refusals(job: BulkJob) -> list[str]:
    """Why it cannot be gone on with, where that may be expected of a job that ended like this."""
    expected = {Act.GO_ON: job.state == State.STOPPED, Act.RETRY: job.failed and job.state == State.FINISHED}
    return [why for act, is_expected in expected.items() if is_expected and (why := jobs.why_not_now(job, act))]
