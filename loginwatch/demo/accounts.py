"""The demo's accounts. Their password is public, so they are made in demo mode alone."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from accounts.models import User
from loginwatch.demo.cast import NAMES, OPERATOR, PASSWORD, address_of


def create_demo_accounts() -> None:
    """Make them, or give those that are there the published password again.

    Raises ImproperlyConfigured outside demo mode.
    """
    if not settings.LOGINWATCH_DEMO:
        raise ImproperlyConfigured("Demo accounts have a public password: they are made in demo mode alone.")
    for name in NAMES:
        _create(name)


def _create(name: str) -> None:
    is_operator = name == OPERATOR
    user, _ = User.objects.get_or_create(
        username=name,
        defaults={"email": address_of(name), "is_staff": is_operator, "is_superuser": is_operator},
    )
    if not user.check_password(PASSWORD):
        user.set_password(PASSWORD)
        user.save(update_fields=["password"])
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
