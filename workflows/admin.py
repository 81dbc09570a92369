"""Runs in the admin: a ledger, which nobody edits."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin import ReadOnlyAdmin
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
    list_display = ("id", "kind", "state", "sign_in", "created_at", "finished_at", "published")
    list_filter = ("state", "kind")
    search_fields = ("id", "sign_in__user__email")
    inlines = (StepInline,)
