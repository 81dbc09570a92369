"""allauth's views that change a password: the new one and all that is written of it are one transaction.

A process that dies in between leaves the old one, and never a new one of which nobody is told.
"""

from __future__ import annotations

from allauth.account import views
from django.db import transaction


class PasswordChangeView(views.PasswordChangeView):
    form_valid = transaction.atomic(views.PasswordChangeView.form_valid)


class PasswordSetView(views.PasswordSetView):
    form_valid = transaction.atomic(views.PasswordSetView.form_valid)


class PasswordResetFromKeyView(views.PasswordResetFromKeyView):
    form_valid = transaction.atomic(views.PasswordResetFromKeyView.form_valid)
