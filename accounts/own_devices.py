"""What a person sees of their own devices, and does to them: sign them out, forget them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts import devices, locking, security_log, sessions
from accounts.families import families_of
from accounts.models import Device, SecurityEvent, SignIn, User

DEVICES_A_PAGE = 20
# Where more are open, the newest are shown; what ends all others ends the rest as well.
MOST_SESSIONS = 50


@dataclass
class SignedIn:
    """A device that is signed in: ``sign_ins`` hold its open sessions, the newest first.

    ``device`` is None for the sign-in of one that no worker has looked at yet. ``is_this``: it is the one that asks.
    """

    device: Device | None
    is_this: bool = False
    sign_ins: list[SignIn] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.device) if self.device else self.sign_ins[0].device_name


def signed_in(user: User, *, own_key: str) -> tuple[list[SignedIn], int]:
    """The devices that are signed in, that of the session ``own_key`` first, and how many more sessions are open."""
    open_ones = list(sessions.open_sessions(user.pk).values())
    shown = SignIn.objects.filter(pk__in=open_ones[:MOST_SESSIONS]).select_related("device")
    listed: dict[Any, SignedIn] = {}
    for sign_in in shown.order_by("-created_at", "-pk"):
        if sign_in.device is None:
            families = families_of(sign_in.user_agent)
            sign_in.browser, sign_in.os = families.browser, families.os
        one = listed.setdefault(sign_in.device_id or ("undecided", sign_in.pk), SignedIn(sign_in.device))
        one.sign_ins.append(sign_in)
        one.is_this |= sign_in.session_key == own_key
    return sorted(listed.values(), key=lambda one: not one.is_this), max(0, len(open_ones) - MOST_SESSIONS)


def signed_out(user: User, *, but: list[SignedIn], before: Device | None = None) -> tuple[list[Device], bool]:
    """A page of the person's other devices, the latest seen first, and whether there are more."""
    others = Device.objects.filter(user=user).exclude(pk__in=[one.device.pk for one in but if one.device])
    if before:
        at = before.last_seen_at
        others = others.filter(Q(last_seen_at__lt=at) | Q(last_seen_at=at, pk__lt=before.pk))
    found = list(others.order_by("-last_seen_at", "-pk")[: DEVICES_A_PAGE + 1])
    return found[:DEVICES_A_PAGE], len(found) > DEVICES_A_PAGE


@transaction.atomic
def sign_out(device: Device, *, address: str | None) -> int:
    """End the device's sessions; returns how many it had. ``address`` is that from which it was asked."""
    ended = sessions.end_sessions_of_device(device)
    if ended:
        _log(device.user, SecurityEvent.Kind.SESSIONS_ENDED, address, device=device.pk, sessions=ended)
    return ended


@transaction.atomic
def forget(device: Device, *, address: str | None) -> None:
    """Sign the device out and end the trust in it, so that its next sign-in is told; it may be trusted again then.

    One that its person has disowned stays disowned.
    """
    locking.lock_person(device.user_id)  # before the device, as everybody does
    devices.untrust_device(device)
    ended = sessions.end_sessions_of_device(device)
    _log(device.user, SecurityEvent.Kind.DEVICE_FORGOTTEN, address, device=device.pk, sessions=ended)


@transaction.atomic
def sign_out_others(user: User, *, kept: str, address: str | None) -> int:
    """End all of the person's sessions but the one with the key ``kept``; returns how many."""
    ended = sessions.end_other_sessions(user.pk, kept=kept)
    if ended:
        _log(user, SecurityEvent.Kind.SESSIONS_ENDED, address, sessions=ended)
    return ended


def _log(user: User, kind: SecurityEvent.Kind, address: str | None, **details: int) -> None:
    security_log.append_event(user, kind, {"because": "asked by its person", **details}, ip_address=address)
