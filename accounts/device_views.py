"""The pages on which a person sees their devices and open sessions, and ends them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import capfirst
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import own_devices, sessions
from accounts.clients import client_ip
from accounts.models import Device, User


def by_button(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """By POST. Who comes by the address alone, as from the sign-in that was asked for first, gets the page."""

    @login_required
    @wraps(view)
    def pressed(request: HttpRequest, **of: int) -> HttpResponse:
        return view(request, **of) if request.method == "POST" else redirect("accounts:devices")

    return pressed


@require_safe
@never_cache
@login_required
def devices(request: HttpRequest) -> HttpResponse:
    """Those that are signed in, this one first, and those that were seen last of the others."""
    open_ones, more_sessions = own_devices.signed_in(_person(request), own_key=_own_key(request))
    others, more_devices = own_devices.signed_out(_person(request), but=open_ones)
    context = {"signed_in": open_ones, "more_sessions": more_sessions, "devices": others, "has_earlier": more_devices}
    return render(request, "accounts/devices.html", context)


@require_safe
@never_cache
@login_required
def earlier_devices(request: HttpRequest, device_id: int) -> HttpResponse:
    """A page of those that were seen before that one."""
    open_ones, _ = own_devices.signed_in(_person(request), own_key=_own_key(request))
    before = _own_device(request, device_id)
    others, more_devices = own_devices.signed_out(_person(request), but=open_ones, before=before)
    return render(request, "accounts/earlier_devices.html", {"devices": others, "has_earlier": more_devices})


@by_button
def sign_out(request: HttpRequest, device_id: int) -> HttpResponse:
    device = _own_device(request, device_id)
    ended = own_devices.sign_out(device, address=client_ip(request))
    return _back(request, f"{capfirst(str(device))} {'is signed out' if ended else 'was signed out already'}.")


@by_button
def forget(request: HttpRequest, device_id: int) -> HttpResponse:
    device = _own_device(request, device_id)
    own_devices.forget(device, address=client_ip(request))
    return _back(request, f"{capfirst(str(device))} is signed out and forgotten. You will be told of its next sign-in.")


@by_button
def sign_out_others(request: HttpRequest) -> HttpResponse:
    ended = own_devices.sign_out_others(_person(request), kept=_own_key(request), address=client_ip(request))
    said = {0: "There was no other session.", 1: "One other session was ended."}
    return _back(request, said.get(ended, f"{ended} other sessions were ended."))


def _back(request: HttpRequest, said: str) -> HttpResponse:
    """To the page of devices; or, where this session was ended as well, to the sign-in."""
    sessions.leave_ended_session(request)
    messages.success(request, said)
    return redirect("accounts:devices")


def _person(request: HttpRequest) -> User:
    return cast(User, request.user)


def _own_key(request: HttpRequest) -> str:
    return request.session.session_key or ""


def _own_device(request: HttpRequest, device_id: int) -> Device:
    return get_object_or_404(Device, pk=device_id, user=request.user.pk)
