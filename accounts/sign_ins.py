"""Recording sign-ins, the ones that worked and the ones that did not."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Q, Value
from django.db.models.functions import Lower
from django.http import HttpRequest

from accounts import device_cookies
from accounts.clients import client_ip, client_user_agent
from accounts.middleware import ATTRIBUTE, IssuedDeviceCookie
from accounts.models import SecurityEvent, SignIn, User
from accounts.signals import sign_in_recorded

SESSION_KEY = "sign_in_id"


def record_sign_in(request: HttpRequest, user: User) -> SignIn:
    """Write the sign-in and, in the same transaction, whatever listens to ``sign_in_recorded``.

    The browser gets a new device id with the response (``DeviceCookieMiddleware``).
    """
    device_id = device_cookies.new_id()
    if not request.session.session_key:  # it was another person's and has been emptied; it gets its key when saved
        request.session.save()
    with transaction.atomic():
        sign_in = SignIn.objects.create(
            user=user,
            ip_address=client_ip(request),
            user_agent=client_user_agent(request),
            session_key=request.session.session_key or "",
            presented_token=device_cookies.presented_token(request, user),
            issued_token=device_cookies.token_of(device_id),
        )
        sign_in_recorded.send(SignIn, sign_in=sign_in)
    request.session[SESSION_KEY] = sign_in.pk
    setattr(request, ATTRIBUTE, IssuedDeviceCookie(user, device_id))
    return sign_in


def sign_in_of(request: HttpRequest) -> SignIn | None:
    """The person's own one that this session began with; older sessions do not say."""
    own = SignIn.objects.filter(user=request.user.pk).select_related("device")
    return own.filter(pk=request.session[SESSION_KEY]).first() if SESSION_KEY in request.session else None


def follow_session(request: HttpRequest) -> None:
    """Note the session's new key, which a change of password gives it, so that a verdict can still end it."""
    if SESSION_KEY in request.session:
        sign_ins = SignIn.objects.filter(pk=request.session[SESSION_KEY])
        sign_ins.update(session_key=request.session.session_key or "")


def record_failed_sign_in(request: HttpRequest | None, credentials: dict[str, Any]) -> None:
    """Note a failed attempt on the account it was about.

    What was typed is not kept: people type passwords into the wrong field.
    """
    SecurityEvent.objects.create(
        kind=SecurityEvent.Kind.SIGN_IN_FAILED,
        user=_user_named(credentials.get("email") or credentials.get("username") or ""),
        ip_address=client_ip(request) if request else None,
    )


def _user_named(name: str) -> User | None:
    """Whose name or confirmed address this is, in any case.

    The database lowers both sides, as SQLite and Python differ beyond ASCII.
    """
    lowered = Lower(Value(name))
    users = User.objects.alias(lower_email=Lower("email"), lower_username=Lower("username"))
    if user := users.filter(Q(lower_email=lowered) | Q(lower_username=lowered)).first():
        return user
    address = EmailAddress.objects.filter(email=name.lower(), verified=True).select_related("user").first()
    return address.user if address else None
