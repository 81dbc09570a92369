"""What a device is, and whether a sign-in came from one that is known. The rules and their cases: docs/devices.md."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from django.db import transaction
from django.db.models import BigIntegerField
from django.utils import timezone

from accounts import locking, sql
from accounts.clients import network_of
from accounts.families import Families, families_of
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


@dataclass(frozen=True)
class Cookie:
    """``device``: whose it is. ``was_used_before``: it was brought to a sign-in some time ago."""

    device: Device
    was_used_before: bool


def recognise_device(sign_in: SignIn) -> SignIn:
    """Decide which device a sign-in came from, and store that with its reason and place on the sign-in.

    Call it inside a transaction. One that is decided already is returned as it is. Workers may take sign-ins in
    any order, so the person's earlier ones are decided first: they made the device, or issued the cookie.
    """
    decided = _recognise_undecided(sign_in.user_id, up_to=sign_in.pk)
    if decided and decided[-1].pk == sign_in.pk:
        return decided[-1]
    sign_in.refresh_from_db()
    return sign_in


def untrust_devices(user: User) -> int:
    """End the trust in every device of ``user``, those of undecided sign-ins too; the rows stay, for their names.

    Returns how many were trusted.
    """
    with transaction.atomic():
        _recognise_undecided(user.pk, up_to=BigIntegerField.MAX_BIGINT)
        trusted = Device.objects.filter(user=user, untrusted_at=None).count()
        Device.objects.filter(user=user).update(untrusted_at=timezone.now())
        return trusted


def untrust_device(device: Device) -> None:
    """End the trust in one device: its next sign-in is told to the person again."""
    Device.objects.filter(pk=device.pk).update(untrusted_at=timezone.now())


def disown_device(device: Device) -> None:
    """End the trust in one device, and not until its next sign-in: who was thrown out gains nothing by coming back."""
    now = timezone.now()
    Device.objects.filter(pk=device.pk).update(untrusted_at=now, disowned_at=now)


def own_device(sign_in: SignIn) -> None:
    """Its person says that this sign-in was theirs: so is its device, where they had disowned it before."""
    if sign_in.device_id is None:
        return
    # By its id: of an update over a join PostgreSQL would not see a denial that it has waited for.
    disowned = Device.objects.filter(pk=sign_in.device_id, disowned_at__lt=sign_in.created_at)
    disowned.filter(untrusted_at__lt=sign_in.created_at).update(untrusted_at=None)  # not what was lost since
    disowned.update(disowned_at=None)


def let_disowned_devices_back(user: User) -> None:
    """Who signs in from now on knows the new password: then each is one that has lost its trust like any other."""
    Device.objects.filter(user=user, disowned_at__isnull=False).update(untrusted_at=timezone.now(), disowned_at=None)


def _recognise_undecided(user_id: int, *, up_to: int) -> list[SignIn]:
    """Decide the person's undecided sign-ins up to that id, oldest first; returns them.

    The person's row is locked, so that nobody else decides them at the same time.
    """
    locking.lock_person(user_id)
    rows = sql.fetch_all(
        f"SELECT {sql.columns(SignIn, 'i')} FROM accounts_signin i "  # noqa: S608  names
        "WHERE user_id = %(user)s AND device_id IS NULL AND device_status = '' AND id <= %(id)s ORDER BY id",
        SignIn,
        user=user_id,
        id=up_to,
    )
    undecided = [cast(SignIn, sql.read(row, SignIn)[0]) for row in rows]
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
    found_out = ("device_id", "device_status", "device_reason", "browser", "os", "country", "place")
    sql.execute(
        f"UPDATE accounts_signin SET {', '.join(f'{name} = %({name})s' for name in found_out)} WHERE id = %(id)s",  # noqa: S608
        SignIn,
        id=sign_in.pk,
        **{name: getattr(sign_in, name) for name in found_out},
    )


def _decide(sign_in: SignIn, families: Families) -> Decision:
    if cookie := _cookie_of(sign_in):
        return _decide_by_cookie(families, cookie)
    if device := _lookalike(sign_in, families):
        return Decision(Status.PROBABLY_KNOWN, Reason.SAME_NETWORK, device)
    if not Device.objects.filter(user=sign_in.user_id).exists():
        return Decision(Status.NEW, Reason.FIRST_DEVICE)
    return Decision(Status.NEW, Reason.NO_MATCH)


def _decide_by_cookie(families: Families, cookie: Cookie) -> Decision:
    device = cookie.device
    if cookie.was_used_before:
        return Decision(Status.NEW, Reason.TOKEN_REPLAYED)
    if families.os and device.os and families.os != device.os:
        return Decision(Status.NEW, Reason.OS_CHANGED)
    if device.untrusted_at:
        return Decision(Status.NEW, Reason.UNTRUSTED, device)
    return Decision(Status.KNOWN, Reason.COOKIE, device)


def _cookie_of(sign_in: SignIn) -> Cookie | None:
    """The cookie that the browser brought, where one of the person's sign-ins gave it to a device."""
    if not sign_in.presented_token:
        return None
    row = sql.fetch(
        f"SELECT {sql.columns(Device, 'd')}, EXISTS (SELECT 1 FROM accounts_signin e WHERE e.user_id = %(user)s "  # noqa: S608
        # The second condition is that of the index, which a prepared statement has to be told.
        "AND e.presented_token = %(presented_token)s AND e.presented_token <> '' AND e.created_at < %(created_at)s) "
        "FROM accounts_signin i JOIN accounts_device d ON d.id = i.device_id "
        "WHERE i.issued_token = %(presented_token)s AND i.user_id = %(user)s",
        SignIn,
        user=sign_in.user_id,
        presented_token=sign_in.presented_token,
        created_at=sign_in.created_at - SAME_MOMENT,
    )
    return Cookie(cast(Device, sql.read(row, Device)[0]), bool(row[-1])) if row else None


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
    sql.execute(
        "UPDATE accounts_device SET network = %(network)s, last_seen_at = %(last_seen_at)s "
        "WHERE id = %(id)s AND last_seen_at <= %(last_seen_at)s",
        Device,
        id=device.pk,
        network=network_of(sign_in.ip_address),
        last_seen_at=sign_in.created_at,
    )
    if device.untrusted_at:
        lost = Device.objects.filter(pk=device.pk, untrusted_at__lt=sign_in.created_at, disowned_at=None)
        lost.update(untrusted_at=None)
