"""The cookie by which a browser is known again: a random 128-bit id, signed for one person.

There is one cookie a person, so an account that shares a browser with another is a device of its own. The id is
new at every sign-in; the database holds only its SHA-256, so who reads the database cannot make a cookie.
"""

from __future__ import annotations

import hashlib
import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import salted_hmac

from accounts.models import User

# The longest that browsers keep a cookie (RFC 6265bis).
MAX_AGE = 400 * 24 * 3600


def new_id() -> str:
    return secrets.token_urlsafe(16)


def token_of(device_id: str) -> str:
    """What the database keeps of a cookie's id."""
    return hashlib.sha256(device_id.encode()).hexdigest()


def cookie_name(user: User) -> str:
    """Differs by person and does not tell whom it is about."""
    return f"device_{salted_hmac('accounts.device_cookies.name', str(user.uuid)).hexdigest()[:16]}"


def presented_token(request: HttpRequest, user: User) -> str:
    """The token of the id that the browser brought; "" for none, a forged one, or another person's."""
    try:
        device_id = _signer(user).unsign(request.COOKIES.get(cookie_name(user), ""))
    except signing.BadSignature:
        return ""
    return token_of(device_id)


def set_cookie(response: HttpResponseBase, user: User, device_id: str) -> None:
    response.set_cookie(
        cookie_name(user),
        _signer(user).sign(device_id),
        max_age=MAX_AGE,
        httponly=True,
        samesite="Lax",
        secure=settings.DEVICE_COOKIE_SECURE,
    )


def _signer(user: User) -> signing.Signer:
    return signing.Signer(salt=f"accounts.device_cookies:{user.uuid}")
