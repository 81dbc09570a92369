"""Gives the browser its device cookie in the response to a sign-in, whichever view signed the person in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.device_cookies import set_cookie
from accounts.models import User

ATTRIBUTE = "issued_device_cookie"


@dataclass(frozen=True)
class IssuedDeviceCookie:
    user: User
    device_id: str


class DeviceCookieMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        issued: IssuedDeviceCookie | None = getattr(request, ATTRIBUTE, None)
        if issued:
            set_cookie(response, issued.user, issued.device_id)
        return response
