"""What the admin has of accounts leads to their runs, of which accounts know nothing."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin

from accounts.admin import SecurityEventAdmin, SignInAdmin, UserAdmin, VerdictAdmin
from accounts.filters import titled
from accounts.models import SecurityEvent, SignIn, User, Verdict
from workflows.models import Run


class UserWithRunsAdmin(UserAdmin):
    lists = {**UserAdmin.lists, "workflows.Run": {"q": "email"}}


class SignInWithRunAdmin(SignInAdmin):
    list_display: tuple[str, ...] = (*SignInAdmin.list_display, "run")
    list_filter: ClassVar[tuple[Any, ...]] = (*SignInAdmin.list_filter, ("run__state", titled("state of its run")))
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
