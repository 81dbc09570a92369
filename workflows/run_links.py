"""What the admin has of accounts leads to their runs, of which accounts know nothing."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import SecurityEventAdmin, SignInAdmin, UserAdmin, VerdictAdmin
from accounts.filters import titled
from accounts.models import SecurityEvent, SignIn, User, Verdict
from workflows.models import Run


class UserWithRunsAdmin(UserAdmin):
    lists = {**UserAdmin.lists, "workflows.Run": {"q": "email"}}


class StateOfRunFilter(titled("state of its run")):  # type: ignore[misc]  # made by a function
    """Says that the runs are of sign-ins: where PostgreSQL reads them from the newest, those of none would be first."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[SignIn]) -> QuerySet[SignIn]:
        chosen: QuerySet[SignIn] = super().queryset(request, queryset)
        return chosen.filter(run__sign_in__isnull=False) if self.lookup_kwarg in self.used_parameters else chosen


class SignInWithRunAdmin(SignInAdmin):
    list_display: tuple[str, ...] = (*SignInAdmin.list_display, "run")
    list_filter: ClassVar[tuple[Any, ...]] = (*SignInAdmin.list_filter, ("run__state", StateOfRunFilter))
    list_select_related: ClassVar[tuple[str, ...]] = (*SignInAdmin.list_select_related, "run")
    links = {**SignInAdmin.links, "run": "state"}
    by_sign_in = (*SignInAdmin.by_sign_in, "run")


class VerdictWithRunAdmin(VerdictAdmin):
    links = {**VerdictAdmin.links, "run": "state"}

    def run(self, verdict: Verdict) -> Run | None:
        return getattr(verdict.sign_in, "run", None)


class SecurityEventWithRunAdmin(SecurityEventAdmin):
    links = {**SecurityEventAdmin.links, "run": "state"}

    def run(self, event: SecurityEvent) -> Run | None:
        return getattr(event.sign_in, "run", None)


def lead_to_runs() -> None:
    shown = {
        User: UserWithRunsAdmin,
        SignIn: SignInWithRunAdmin,
        Verdict: VerdictWithRunAdmin,
        SecurityEvent: SecurityEventWithRunAdmin,
    }
    for model, kind in shown.items():
        admin.site.unregister(model)
        admin.site.register(model, kind)
