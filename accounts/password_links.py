"""Links by which a person chooses a new password, outside of a request that asks for one."""

from __future__ import annotations

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse

from accounts.models import User


def reset_link(user: User) -> str:
    """The one that "Forgot password?" would send: good for PASSWORD_RESET_TIMEOUT, until the password is changed."""
    key = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    return f"{settings.SITE_URL}{reverse('account_reset_password_from_key', kwargs=key)}"
