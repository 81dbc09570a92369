"""Accounts in the admin. Sign-ins, notices, events and verdicts are evidence: nobody edits them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from allauth.account.admin import EmailAddressAdmin as AllauthEmailAddressAdmin
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from accounts import locking
from accounts.deleting import DeletingAdmin
from accounts.filters import SinceFilter, first_since, of_sign_ins_since, titled
from accounts.forms import AdminSignInForm
from accounts.links import LinkedAdmin, Lists
from accounts.models import Device, EmailChange, Notice, PasswordChange, SecurityEvent, SignIn, User, Verdict
from accounts.paging import PagedAdmin
from accounts.password_changes import record_change
from accounts.searching import SearchAdmin

# That go with an account which is deleted on its page, each with ten rows or so.
MOST_SIGN_INS = 200

admin.site.login_form = AdminSignInForm
# Django would look for all that hangs on each account, and delete that, in one request that nobody else agrees to.
admin.site.disable_action("delete_selected")
# They are registered by what brings them, and again below.
admin.site.unregister([EmailAddress, Group])


class ReadOnlyAdmin(SearchAdmin, LinkedAdmin, PagedAdmin):
    # The newest first, by an index that is there.
    ordering: tuple[str, ...] = ("-pk",)
    # What the filter by time goes by.
    moment = "created_at"

    def since(self, request: HttpRequest, queryset: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        return queryset.filter(**{f"{self.moment}__gte": moment})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(SearchAdmin, LinkedAdmin, PagedAdmin, DeletingAdmin, DjangoUserAdmin):
    # Django's form asks for no e-mail address: a second person without one could not be added.
    add_fieldsets = ((None, {"fields": ("email", *DjangoUserAdmin.add_fieldsets[0][1]["fields"])}),)
    list_display = ("email", "username", "is_staff", "is_active", "last_login")
    search_person = "pk"
    ordering = ("email",)
    lists = {
        "accounts.SignIn": {"user": "pk"},
        "accounts.Device": {"user": "pk"},
        "accounts.Verdict": {"sign_in__user": "pk"},
        "accounts.Notice": {"q": "email"},
        "accounts.SecurityEvent": {"user": "pk"},
        "accounts.PasswordChange": {"user": "pk"},
    }

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return [*fieldsets, (None, {"fields": (Lists(request, self),)})] if obj else fieldsets

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm, change: bool) -> None:
        """Of somebody who is there, what was changed alone: their new password, for one, may have come meanwhile."""
        own = {field.name for field in User._meta.concrete_fields}
        obj.save(update_fields=[name for name in form.changed_data if name in own] if change else None)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        """Another person's password is set when the account is in wrong hands: like a reset, it ends all trust."""
        if request.method != "POST":
            return super().user_change_password(request, id, form_url)
        with transaction.atomic():
            before = self.get_object(request, unquote(id))
            if before:
                locking.lock_person(before.pk)
                before.refresh_from_db()
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

    def obstacle(self, record: User) -> str:
        """What hangs on many sign-ins is not deleted in one request. A bulk job does that, and leaves little.

        Looked at is the first that would be too many, the newest first, as an index has them: it is the old ones of
        which nothing is known any longer.
        """
        too_many = record.sign_ins.order_by("-created_at", "-pk")[MOST_SIGN_INS : MOST_SIGN_INS + 1]
        if all(sign_in.emptied_at for sign_in in too_many):
            return ""
        people = f"{reverse('admin:accounts_user_changelist')}?{urlencode({'q': record.email})}"
        return format_html(
            "more than {} sign-ins, too many for one request: have a bulk job anonymise them first, from "
            '<a href="{}">the list of users</a>.',
            MOST_SIGN_INS,
            people,
        )


@admin.register(EmailAddress)
class EmailAddressAdmin(SearchAdmin, LinkedAdmin, PagedAdmin, DeletingAdmin, AllauthEmailAddressAdmin):
    """Also one that is not the person's primary address, by which the account does not know them, is found."""

    # Allauth's "mark as verified" asks for no permission, and an address is whose it is once it is confirmed.
    actions = ()
    fieldsets = ((None, {"fields": ("user", "email", "verified", "primary")}),)
    ordering = ("-pk",)
    list_select_related = ("user",)
    search_person = "user"

    def meant_by(self, request: HttpRequest, word: str) -> Q:
        return super().meant_by(request, word) | Q(email__startswith=word.lower())


@admin.register(Group)
class GroupAdmin(PagedAdmin, DeletingAdmin, DjangoGroupAdmin):
    pass


@admin.register(Device)
class DeviceAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "user", "network", "first_seen_at", "last_seen_at", "untrusted_at")
    list_filter = (SinceFilter, ("untrusted_at", admin.EmptyFieldListFilter))
    list_select_related = ("user",)
    ordering = ("-first_seen_at",)
    moment = "first_seen_at"
    search_person = "user"
    lists = {"accounts.SignIn": {"device": "pk"}}


@admin.register(SignIn)
class SignInAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = (
        "created_at",
        "user",
        "device",
        "ip_address",
        "place",
        "device_status",
        "level",
        "verdict",
    )
    list_filter: ClassVar[tuple[Any, ...]] = (
        SinceFilter,
        "device_status",
        ("verdict__decision", titled("verdict")),
        ("verdict__level", titled("risk")),
    )
    list_select_related: ClassVar[tuple[str, ...]] = ("user", "device", "verdict")
    search_person = "user"
    search_address = "ip_address"
    # A session key opens its session to who reads it. What is left out here cannot be filtered by either (asking.py).
    exclude = ("session_key", "presented_token", "issued_token")
    links = {"verdict": "", "notice": "state"}
    lists = {"accounts.SecurityEvent": {"sign_in": "pk"}}
    # What has the key of its sign-in, and may be filtered by.
    by_sign_in: tuple[str, ...] = ("verdict",)

    def since(self, request: HttpRequest, queryset: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        """By the key, too, in the order of which they are listed: theirs, and of what else they are filtered by."""
        first = first_since(moment)
        if first is None:
            return queryset.none()
        asked = [way for way in self.by_sign_in if any(name.startswith(f"{way}__") for name in request.GET)]
        of_others = {f"{way}__sign_in__gte": first for way in asked}
        return queryset.filter(pk__gte=first, created_at__gte=moment, **of_others)

    @admin.display(description="risk")
    def level(self, sign_in: SignIn) -> str | None:
        verdict = getattr(sign_in, "verdict", None)
        return verdict.get_level_display() if verdict else None


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "of", "state", "sent_at", "followed_up_at", "last_error")
    list_filter = (SinceFilter, "state")
    ordering = ("-created_at",)
    search_person = ("sign_in__user", "password_change__user", "follow_up_of__sign_in__user")
    links = {"user": "", "of": ""}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        """Each way to a person by itself: joined, they are so many tables that PostgreSQL looks for no better order
        (join_collapse_limit), and a search would read them all."""
        return super().get_queryset(request).prefetch_related(*self.search_person, "email_change__user")

    def ways_to(self, people: list[int]) -> list[Q]:
        """Changes of addresses by their keys: of a few PostgreSQL expects that each has very many notices."""
        changes = EmailChange.objects.filter(user__in=people).values_list("pk", flat=True)
        return [*super().ways_to(people), Q(email_change__in=list(changes))]

    def user(self, notice: Notice) -> User:
        return notice.user

    def of(self, notice: Notice) -> Notice | SignIn | PasswordChange | EmailChange:
        return notice.follow_up_of or notice.about


@admin.register(PasswordChange)
class PasswordChangeAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "how", "ip_address")
    list_filter = (SinceFilter, "how")
    list_select_related = ("user",)
    ordering = ("-created_at",)
    search_person = "user"
    exclude = ("session_key",)
    links = {"notice": "state"}
    lists = {"accounts.SecurityEvent": {"password_change": "pk"}}


@admin.register(SecurityEvent)
class SecurityEventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "user", "sign_in", "operator", "ip_address", "details")
    list_filter = (SinceFilter, "kind")
    list_select_related = ("user", "sign_in")
    ordering = ("-created_at",)
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
    list_display = ("created_at", "user", "sign_in", "score", "level", "decision", "action")
    list_filter = (SinceFilter, "decision", "level", "action")
    list_select_related = ("sign_in__user",)
    ordering = ("-sign_in",)
    search_person = "sign_in__user"
    asked_for = ("sign_in__user",)
    links = {"user": ""}
    lists = {"accounts.SecurityEvent": {"sign_in": "sign_in_id"}}

    def since(self, request: HttpRequest, queryset: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        """By the time of the sign-in."""
        return of_sign_ins_since(queryset, moment)

    def user(self, verdict: Verdict) -> User:
        return verdict.sign_in.user
