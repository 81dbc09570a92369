"""allauth's page of a person's e-mail addresses: another one becomes the primary one at once, or not at all."""

from __future__ import annotations

from typing import Any

from allauth.account import views
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from accounts.addresses import give_up_unconfirmed


class EmailView(views.EmailView):
    def _action_primary(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse | None:
        address = self._get_email_address(request)
        try:
            with transaction.atomic():
                # Only then: whether another account has it is not for everybody to find out.
                if address and address.verified:
                    give_up_unconfirmed(address)
                response: HttpResponse | None = super()._action_primary(request, *args, **kwargs)
                return response
        except IntegrityError:
            messages.error(request, f"{address} cannot become your primary address: it belongs to another account.")
            return None
