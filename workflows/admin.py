"""Runs in the admin: a ledger, which nobody edits."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django_celery_results.models import GroupResult, TaskResult

from accounts.admin import ReadOnlyAdmin
from accounts.models import User
from workflows.models import Run, Step


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
    list_display = ("created_at", "user", "state", "finished_at", "published", "id")
    list_display_links = ("created_at", "id")
    list_filter = ("state", "kind")
    list_select_related = ("sign_in__user",)
    ordering = ("-created_at",)
    search_fields = ("id", "sign_in__user__email")
    inlines = (StepInline,)

    @admin.display(ordering="sign_in__user")
    def user(self, run: Run) -> User:
        return run.sign_in.user


class ResultAdmin(ReadOnlyAdmin):
    """Celery's results are what workers wrote: evidence, too."""

    search_fields = ("task_id",)
    list_display = ("date_done", "task_name", "status", "task_id")
    list_filter = ("status", "task_name")
    ordering = ("-date_done",)


for result in (TaskResult, GroupResult):
    admin.site.unregister(result)
admin.site.register(TaskResult, ResultAdmin)
