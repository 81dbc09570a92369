"""Signing up: what another has taken since the form looked is taken, and no error."""

from __future__ import annotations

from allauth.account.forms import SignupForm
from allauth.account.views import SignupView
from django.db import IntegrityError, transaction
from django.http import HttpResponse


class SignUpForm(SignupForm):
    # The person, and their address.
    save = transaction.atomic(SignupForm.save)


class SignUpView(SignupView):
    form_class = SignUpForm

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        """Have the form look again where it could not be saved: it finds who was faster, and answers as it would have
        a moment later.
        """
        response: HttpResponse
        try:
            response = super().form_valid(form)
        except IntegrityError:
            form.full_clean()
            response = super().form_valid(form) if form.is_valid() else self.form_invalid(form)
        return response
