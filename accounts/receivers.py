"""Where Django's and allauth's signals come in: any sign-in view is watched without knowing of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import password_changed, password_reset, password_set
from allauth.core import context as allauth_context
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import email_changes, password_changes, sign_ins
from accounts.models import PasswordChange, User


@receiver(user_logged_in)
def on_user_logged_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    sign_ins.record_sign_in(request, user)


@receiver(user_login_failed)
def on_user_login_failed(credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any) -> None:
    sign_ins.record_failed_sign_in(request, credentials)


@receiver(password_changed)
def on_password_changed(request: HttpRequest, user: User, **kwargs: Any) -> None:
    password_changes.record_change(request, user, PasswordChange.How.CHANGED)


@receiver(password_set)
def on_password_set(request: HttpRequest, user: User, **kwargs: Any) -> None:
    password_changes.record_change(request, user, PasswordChange.How.SET)


@receiver(password_reset)
def on_password_reset(request: HttpRequest, user: User, **kwargs: Any) -> None:
    password_changes.record_change(request, user, PasswordChange.How.RESET)


@receiver(pre_save, sender=EmailAddress)
def on_email_address_saved(instance: EmailAddress, **kwargs: Any) -> None:
    """allauth keeps addresses in lower case but one: that of who was added by an operator, which it keeps as it was
    typed at their first sign-in, and would not find again.
    """
    instance.email = instance.email.lower()


@receiver(pre_save, sender=User)
def on_user_saved(instance: User, raw: bool, update_fields: Collection[str] | None, **kwargs: Any) -> None:
    """By whatever changes the address: allauth tells of some of the ways alone on which it does."""
    if instance.pk and not raw and (update_fields is None or "email" in update_fields):
        email_changes.record_change(instance, allauth_context.request)
