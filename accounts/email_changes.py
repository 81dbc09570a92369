"""Changes of the address that a person's mails go to: the old one is told, and asked about what was before."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts import security_log
from accounts.clients import client_ip, client_user_agent
from accounts.models import EmailChange, Notice, SecurityEvent, User


def record_change(user: User, request: HttpRequest | None) -> None:
    """Where ``user``, who is about to be saved, has another address than before, write that, and a mail to the old one.

    The mail is left to the deliveries. Should the person not be saved after all, one mail too many went out, to them.
    """
    old = User.objects.filter(pk=user.pk).values_list("email", flat=True).first()
    if not old or old.lower() == user.email.lower():
        return
    details: dict[str, Any] = {"from": old, "to": user.email}
    if operator := _operator(user, request):
        # Their address is not noted: the log is searched for the addresses of whom it is about.
        details["by"], request = {"id": operator.pk, "name": operator.get_username()}, None
    address, user_agent = (client_ip(request), client_user_agent(request)) if request else (None, "")
    with transaction.atomic():
        change = EmailChange.objects.create(
            user=user, old=old, new=user.email, ip_address=address, user_agent=user_agent
        )
        security_log.append_event(user, SecurityEvent.Kind.EMAIL_CHANGED, details, ip_address=address)
        Notice.objects.create(
            email_change=change,
            message_id=f"<{uuid4()}.email_changed@{settings.SITE_HOST}>",
            state=Notice.State.HANDED_OVER,
            next_attempt_at=timezone.now(),
        )


def _operator(user: User, request: HttpRequest | None) -> User | None:
    """Who changes another person's address."""
    by = request.user if request else None
    return by if isinstance(by, User) and by.is_staff and by != user else None


def address_at(user: User, moment: datetime) -> str:
    """Where the person's mails went at that moment."""
    since = EmailChange.objects.filter(user=user, created_at__gt=moment).order_by("created_at")
    return since.values_list("old", flat=True).first() or user.email
