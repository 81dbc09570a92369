"""Where a password is typed beside the site's sign-in form: under the same limits, and noted in the same way."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm
from allauth.core import context as allauth_context
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError


class AdminSignInForm(AdminAuthenticationForm):
    def clean(self) -> dict[str, Any]:
        name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if name and password:
            self.user_cache = get_adapter().authenticate(self.request, username=name, password=password)
            if self.user_cache is None:
                raise self.get_invalid_login_error()
            try:
                self.confirm_login_allowed(self.user_cache)
            except ValidationError:
                # Nor is a right password told from a wrong one by what is counted and noted.
                get_adapter().pre_authenticate(self.request, username=name)
                user_login_failed.send(__name__, credentials={"username": name}, request=self.request)
                raise
        return self.cleaned_data


class PasswordChangeForm(ChangePasswordForm):
    def clean_oldpassword(self) -> str:
        """Who holds a stolen session may guess here no more than at the sign-in."""
        password: str = self.cleaned_data["oldpassword"]
        found = get_adapter().authenticate(allauth_context.request, username=self.user.username, password=password)
        if found is None or found.pk != self.user.pk:
            raise get_adapter().validation_error("enter_current_password")
        # What it was checked against: it may have been hashed anew.
        self.user.password = found.password
        return password
