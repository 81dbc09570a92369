"""Accounts in the admin. Sign-ins, notices, events and verdicts are evidence: nobody edits them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.forms import AdminSignInForm
from accounts.models import Device, Notice, PasswordChange, SecurityEvent, SignIn, User, Verdict
from accounts.paging import BoundedPaginator
from accounts.password_changes import record_change
from accounts.searching import SearchAdmin

admin.site.login_form = AdminSignInForm


class ReadOnlyAdmin(SearchAdmin):
    # The newest first, by an index that is there.
    ordering: tuple[str, ...] = ("-pk",)
    paginator = BoundedPaginator
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(SearchAdmin, DjangoUserAdmin):
    # Django's form asks for no e-mail address: a second person without one could not be added.
    add_fieldsets = ((None, {"fields": ("email", *DjangoUserAdmin.add_fieldsets[0][1]["fields"])}),)
    list_display = ("email", "username", "is_staff", "is_active", "last_login")
    search_person = "pk"
    ordering = ("email",)
    paginator = BoundedPaginator
    show_full_result_count = False

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        """Another person's password is set when the account is in wrong hands: like a reset, it ends all trust."""
        if request.method != "POST":
            return super().user_change_password(request, id, form_url)
        with transaction.atomic():
            before = self.get_object(request, unquote(id))
            response = super().user_change_password(request, id, form_url)
            if before and (user := User.objects.get(pk=before.pk)).password != before.password:
                record_change(request, user, PasswordChange.How.BY_OPERATOR)
        return response

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], Any]:
        """Who may delete an account deletes its evidence with it, which nobody may delete by itself."""
        deleted, counts, needed, protected = super().get_deleted_objects(objs, request)
        read_only = [model for model, kind in admin.site._registry.items() if isinstance(kind, ReadOnlyAdmin)]
        evidence = {str(model._meta.verbose_name) for model in read_only}
        return deleted, counts, needed - evidence, protected


@admin.register(Device)
class DeviceAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "user", "network", "first_seen_at", "last_seen_at", "untrusted_at")
    list_select_related = ("user",)
    search_person = "user"


@admin.register(SignIn)
class SignInAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "ip_address", "place", "device_name", "device_status", "verdict")
    list_filter = ("device_status", "verdict__decision")
    list_select_related = ("user", "verdict")
    search_person = "user"
    search_address = "ip_address"
    # A session key opens its session to who reads it.
    exclude = ("session_key", "presented_token", "issued_token")


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "state", "sent_at", "followed_up_at", "last_error")
    list_filter = ("state",)
    search_person = ("sign_in__user", "password_change__user", "follow_up_of__sign_in__user")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        """Each way to a person by itself: joined, they are so many tables that PostgreSQL looks for no better order
        (join_collapse_limit), and a search would read them all."""
        return super().get_queryset(request).prefetch_related(*self.search_person)

    def user(self, notice: Notice) -> User:
        return notice.user


@admin.register(PasswordChange)
class PasswordChangeAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "how", "ip_address")
    list_filter = ("how",)
    list_select_related = ("user",)
    search_person = "user"
    exclude = ("session_key",)


@admin.register(SecurityEvent)
class SecurityEventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "user", "operator", "ip_address", "details")
    list_filter = ("kind",)
    list_select_related = ("user",)
    search_person = "user"
    search_address = "ip_address"

    @admin.display(empty_value="")
    def operator(self, event: SecurityEvent) -> str | None:
        """Who acted, where that was not the person themselves."""
        match event.details:
            case {"by": {"name": str(name)}}:
                return name
        return None


@admin.register(Verdict)
class VerdictAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "score", "level", "decision", "action")
    list_filter = ("decision", "action")
    list_select_related = ("sign_in__user",)
    search_person = "sign_in__user"

    @admin.display(ordering="sign_in__user")
    def user(self, verdict: Verdict) -> User:
        return verdict.sign_in.user
