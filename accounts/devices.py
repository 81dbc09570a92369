"""What a device is, and whether a sign-in came from one that is known. The rules and their cases: docs/devices.md."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, QuerySet
from django.utils import timezone

from accounts.clients import Families, families_of, network_of
from accounts.models import Device, SignIn, User
from accounts.places import place_of

Status = SignIn.DeviceStatus
Reason = SignIn.DeviceReason

# How long a browser and system seen in a network still count as "lately" where no cookie tells.
RECENT = timedelta(days=30)
# Two tabs that sign in with the same cookie within this time are one browser, not a thief and an owner.
SAME_MOMENT = timedelta(minutes=1)


@dataclass(frozen=True)
class Decision:
    """``device`` is None where a new one has to be made."""

    status: SignIn.DeviceStatus
    reason: SignIn.DeviceReason
    device: Device | None = None


def recognise_device(sign_in: SignIn) -> SignIn:
    """Decide which device a sign-in came from, and store that with its reason and place on the sign-in.

    Call it inside a transaction. One that is decided already is returned as it is. Workers may take sign-ins in
    any order, so the person's earlier ones are decided first: they made the device, or issued the cookie.
    """
    decided = _recognise_undecided(sign_in.user_id, SignIn.objects.filter(pk__lte=sign_in.pk))
    if decided and decided[-1].pk == sign_in.pk:
        return decided[-1]
    sign_in.refresh_from_db()
    return sign_in


def untrust_devices(user: User) -> None:
    """End the trust in every device of ``user``, those of undecided sign-ins too; the rows stay, for their names."""
    with transaction.atomic():
        _recognise_undecided(user.pk, SignIn.objects.all())
        Device.objects.filter(user=user).update(untrusted_at=timezone.now())


def untrust_device(device: Device) -> None:
    """End the trust in one device: its next sign-in is told to the person again."""
    Device.objects.filter(pk=device.pk).update(untrusted_at=timezone.now())


def _recognise_undecided(user_id: int, sign_ins: QuerySet[SignIn]) -> list[SignIn]:
    """Decide those of ``sign_ins`` that the person has undecided, oldest first; returns them.

    The person's row is locked, so that nobody else decides them at the same time.
    """
    User.objects.select_for_update(no_key=True).values_list("pk").get(pk=user_id)
    undecided = list(sign_ins.filter(user=user_id, device=None, device_status="").order_by("pk"))
    for sign_in in undecided:
        _recognise(sign_in)
    return undecided


def _recognise(sign_in: SignIn) -> None:
    families = families_of(sign_in.user_agent)
    place = place_of(sign_in.ip_address)
    decision = _decide(sign_in, families)
    if decision.device:
        _touch(decision.device, sign_in)
    sign_in.device = decision.device or _new_device(sign_in, families)
    sign_in.device_status = decision.status
    sign_in.device_reason = decision.reason
    sign_in.browser, sign_in.os = families.browser, families.os
    sign_in.country, sign_in.place = place.country, place.name
    sign_in.save(update_fields=["device", "device_status", "device_reason", "browser", "os", "country", "place"])


def _decide(sign_in: SignIn, families: Families) -> Decision:
    if (issuer := _issuer_of_cookie(sign_in)) and issuer.device:
        return _decide_by_cookie(sign_in, families, issuer, issuer.device)
    if device := _lookalike(sign_in, families):
        return Decision(Status.PROBABLY_KNOWN, Reason.SAME_NETWORK, device)
    if not Device.objects.filter(user=sign_in.user_id).exists():
        return Decision(Status.NEW, Reason.FIRST_DEVICE)
    return Decision(Status.NEW, Reason.NO_MATCH)


def _decide_by_cookie(sign_in: SignIn, families: Families, issuer: SignIn, device: Device) -> Decision:
    if issuer.cookie_was_used:  # type: ignore[attr-defined]  # _issuer_of_cookie adds it
        return Decision(Status.NEW, Reason.TOKEN_REPLAYED)
    if families.os and device.os and families.os != device.os:
        return Decision(Status.NEW, Reason.OS_CHANGED)
    if device.untrusted_at:
        return Decision(Status.NEW, Reason.UNTRUSTED, device)
    return Decision(Status.KNOWN, Reason.COOKIE, device)


def _issuer_of_cookie(sign_in: SignIn) -> SignIn | None:
    """The sign-in that gave the browser the cookie which it brought to this one."""
    if not sign_in.presented_token:
        return None
    earlier = SignIn.objects.filter(
        user=sign_in.user_id,
        presented_token=sign_in.presented_token,
        created_at__lt=sign_in.created_at - SAME_MOMENT,
    )
    issuers = SignIn.objects.filter(user=sign_in.user_id, issued_token=sign_in.presented_token)
    return issuers.select_related("device").annotate(cookie_was_used=Exists(earlier)).first()


def _lookalike(sign_in: SignIn, families: Families) -> Device | None:
    """A trusted device of the same browser and system that signed in from the same network lately."""
    network = network_of(sign_in.ip_address)
    if not (families.browser and families.os and network):
        return None
    return (
        Device.objects.filter(
            user=sign_in.user_id,
            browser=families.browser,
            os=families.os,
            network=network,
            untrusted_at=None,
            last_seen_at__gte=sign_in.created_at - RECENT,
        )
        .order_by("-last_seen_at")
        .first()
    )


def _new_device(sign_in: SignIn, families: Families) -> Device:
    return Device.objects.create(
        user_id=sign_in.user_id,
        first_sign_in=sign_in,
        browser=families.browser,
        os=families.os,
        network=network_of(sign_in.ip_address),
        first_seen_at=sign_in.created_at,
        last_seen_at=sign_in.created_at,
    )


def _touch(device: Device, sign_in: SignIn) -> None:
    """Note where the device was seen last; a sign-in that is decided late does not turn time back."""
    Device.objects.filter(pk=device.pk, last_seen_at__lte=sign_in.created_at).update(
        network=network_of(sign_in.ip_address), last_seen_at=sign_in.created_at
    )
    if device.untrusted_at:
        Device.objects.filter(pk=device.pk, untrusted_at__lt=sign_in.created_at).update(untrusted_at=None)
