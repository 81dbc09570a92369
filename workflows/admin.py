"""Runs and alerts in the admin: evidence, which nobody edits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from celery import current_app, states
from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_celery_results.models import GroupResult, TaskResult

from accounts.admin import ReadOnlyAdmin
from accounts.filters import SinceFilter, of_sign_ins_since
from accounts.models import Notice, User, Verdict
from workflows import kinds
from workflows.alerting.alerts import headline
from workflows.bulk import actions as actions  # they register themselves
from workflows.bulk import registry
from workflows.bulk.job_admin import BulkJobAdmin
from workflows.bulk.list_admin import add_to_admin
from workflows.bulk.models import BulkJob
from workflows.models import Alert, Run, Step
from workflows.run_links import lead_to_runs
from workflows.sign_in import SIGN_IN


# Django's own filters would look in all rows for the values that there are.
class KindFilter(admin.SimpleListFilter):
    """The newest of each kind are found by an index; of all kinds together by none. A search finds those of all."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(kind.name, kind.title) for kind in kinds.all_kinds()]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Without "All"; where none is chosen, sign-ins are."""
        default = "" if changelist.query else SIGN_IN.name
        for name, title in self.lookup_choices:
            link = changelist.get_query_string({self.parameter_name: name})
            yield {"selected": (self.value() or default) == name, "query_string": link, "display": title}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        kind = _kind_listed(request.GET)
        if kind == SIGN_IN.name:
            return queryset.filter(sign_in__isnull=False)
        return queryset.filter(sign_in=None, kind=kind) if kind else queryset


def _kind_listed(parameters: Mapping[str, str]) -> str:
    """The kind that a list of runs is of; "" where it is what a search finds."""
    chosen = parameters.get(KindFilter.parameter_name)
    return chosen or ("" if parameters.get(SEARCH_VAR) else SIGN_IN.name)


class StepFilter(admin.SimpleListFilter):
    title = "step"
    parameter_name = "step"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(step.name, step.title) for kind in kinds.all_kinds() for step in kind.steps]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By the whole names of tasks: no index leads to how they end."""
        tasks = [task.name for task in current_app.tasks.values() if getattr(task, "step", None) == self.value()]
        return queryset.filter(task_name__in=tasks) if self.value() else queryset


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(state, state) for state in sorted(states.ALL_STATES)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status=self.value()) if self.value() else queryset


class StepInline(admin.TabularInline):
    model = Step
    fields = ("name", "state", "attempts", "started_at", "finished_at", "result", "error")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "owner", "kind", "state", "sign_in", "finished_at", "published", "id")
    list_display_links = ("created_at", "id")
    list_filter = (SinceFilter, "state", KindFilter)
    list_select_related = ("sign_in__user", "user")
    links = {"owner": "", "verdict": "", "notice": "state"}
    lists = {
        "accounts.SecurityEvent": {"sign_in": "sign_in_id"},
        "workflows.Alert": {"run": "pk"},
        "django_celery_results.TaskResult": {"q": "pk"},
    }
    search_person = ("sign_in__user", "user")
    search_address = "sign_in__ip_address"
    search_id = "pk"
    inlines = (StepInline,)

    def unsaid(self, parameters: Mapping[str, str]) -> dict[str, str]:
        name, kind = KindFilter.parameter_name, _kind_listed(parameters)
        return {name: kind} if kind and not parameters.get(name) else {}

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """The newest first, in the order of the indexes that its filters use."""
        return ("-sign_in",) if _kind_listed(request.GET) == SIGN_IN.name else ("-created_at",)

    def since(self, request: HttpRequest, queryset: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        """Of sign-ins: by their time, in the order of which they are listed."""
        if _kind_listed(request.GET) != SIGN_IN.name:
            return super().since(request, queryset, moment)
        return of_sign_ins_since(queryset, moment)

    def owner(self, run: Run) -> User:
        return run.owner

    def verdict(self, run: Run) -> Verdict | None:
        return getattr(run.sign_in, "verdict", None)

    def notice(self, run: Run) -> Notice | None:
        return getattr(run.sign_in, "notice", None)


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "run_page", "headline", "told_at", "posted_at")
    list_filter = ("kind", ("told_at", admin.EmptyFieldListFilter))
    list_select_related = ("run",)
    search_person = ("run__sign_in__user", "run__user")
    search_id = "run"

    @admin.display(description="run")
    def run_page(self, alert: Alert) -> SafeString | None:
        return format_html('<a href="{}">{}</a>', alert.run.get_absolute_url(), alert.run_id) if alert.run else None

    @admin.display(description="text")
    def headline(self, alert: Alert) -> str:
        return headline(alert.text)


class ResultAdmin(ReadOnlyAdmin):
    """Celery's results are what workers wrote: evidence, too."""

    search_id = "task_id__startswith"
    list_display = ("date_done", "task_name", "status", "run", "task_id")
    list_filter = (SinceFilter, StateFilter, StepFilter)
    ordering = ("-date_done",)
    moment = "date_done"
    links = {"run": ""}

    def run(self, result: TaskResult) -> Run | None:
        """Without a look whether it is still there."""
        run_id, _, step = result.task_id.partition(".")
        if not any(step == known.name for kind in kinds.all_kinds() for known in kind.steps):
            return None
        try:
            return Run(pk=UUID(run_id))
        except ValueError:  # the id is what the message said, of a task that nobody knows too
            return None


for result in (TaskResult, GroupResult):
    admin.site.unregister(result)
admin.site.register(TaskResult, ResultAdmin)

admin.site.register(BulkJob, BulkJobAdmin)
lead_to_runs()
for model in {action.listed for action in registry.all_actions()}:
    add_to_admin(model)
