"""allauth's views that change a password: the new one and all that is written of it are one transaction.

A process that dies in between leaves the old one, and never a new one of which nobody is told. And what the form was
checked against has to be so still: between that and here its session may have been ended, the password reset by its
owner, or the account closed, to keep out the very one who sends the form.
"""

from __future__ import annotations

from typing import cast

from allauth.account import views
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts import sessions
from accounts.forms import PasswordChangeForm
from accounts.models import User

TOO_LATE = "This browser was signed out, or the password was changed already, before this change came. Sign in again."


class PasswordChangeView(views.PasswordChangeView):
    form_class = PasswordChangeForm

    @transaction.atomic
    def form_valid(self, form: BaseForm) -> HttpResponse:
        return super().form_valid(form) if _may_go_on(self.request) else _too_late(self.request)


class PasswordSetView(views.PasswordSetView):
    @transaction.atomic
    def form_valid(self, form: BaseForm) -> HttpResponse:
        return super().form_valid(form) if _may_go_on(self.request) else _too_late(self.request)


class PasswordResetFromKeyView(views.PasswordResetFromKeyView):
    @transaction.atomic
    def form_valid(self, form: BaseForm) -> HttpResponse:
        response: HttpResponse
        if _is_unchanged(self.reset_user):
            response = super().form_valid(form)
        else:
            response = self.render_to_response(self.get_context_data(form=form, token_fail=True))
        return response


def _may_go_on(request: HttpRequest) -> bool:
    return _is_unchanged(cast(User, request.user)) and sessions.is_open(request.session)


def _too_late(request: HttpRequest) -> HttpResponse:
    logout(request)
    messages.error(request, TOO_LATE)
    return redirect(settings.LOGIN_URL)


def _is_unchanged(user: User) -> bool:
    """Whether the account is as the request found it, and stays so until the transaction ends."""
    rows = User.objects.select_for_update(no_key=True).filter(pk=user.pk)
    return rows.values_list("password", "is_active").first() == (user.password, True)
