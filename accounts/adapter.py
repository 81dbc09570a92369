"""How allauth is fitted to this site."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from accounts.clients import client_ip, client_user_agent

# The limits count by address. Clients without one (behind a socket, without a trusted proxy) share this one's:
# they can sign in, and guessers among them gain nothing.
NO_ADDRESS = "unknown"


class AccountAdapter(DefaultAccountAdapter):
    def get_client_ip(self, request: HttpRequest) -> str:
        """One reading of X-Forwarded-For everywhere; allauth's own raises where there is no good address."""
        return client_ip(request) or NO_ADDRESS

    def get_http_user_agent(self, request: HttpRequest) -> str:
        return client_user_agent(request)
