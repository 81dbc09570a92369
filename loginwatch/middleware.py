"""The port of the Host header is the client's to choose, so it is checked as ALLOWED_HOSTS checks the name."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase


class HostPortMiddleware:
    """Answers 400 where the Host header names another port than SITE_URL's.

    allauth builds links from that header.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # As text: the client may write a number that is no port.
        _, asked = split_domain_port(request.get_host())
        site = urlsplit(settings.SITE_URL)
        expected = str(site.port or (443 if site.scheme == "https" else 80))
        if asked and asked != expected:
            raise DisallowedHost(f"Port {asked} of the Host header is not the one of SITE_URL, {expected}.")
        return self.get_response(request)
