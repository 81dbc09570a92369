"""How allauth is fitted to this site."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.clients import client_ip, client_user_agent


class AccountAdapter(DefaultAccountAdapter):
    def get_client_ip(self, request: HttpRequest) -> str:
        """One reading of X-Forwarded-For everywhere; allauth's own raises on a header that is too short."""
        ip = client_ip(request)
        if ip is None:
            raise PermissionDenied("The client's address is not known.")
        return ip

    def get_http_user_agent(self, request: HttpRequest) -> str:
        return client_user_agent(request)
