"""People who sign in as most do: again, with a browser that the site knows."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import Device, SignIn, User
from accounts.signals import sign_in_recorded

SIGN_INS_A_PERSON = 4
# One sign-in of so many comes from a browser and a network that are new, and is worth a mail.
NEW_DEVICE_EVERY = 20
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)


def sign_in(count: int) -> None:
    """``count`` sign-ins, written and announced as the site does it, so that each has its run and is published."""
    cookies = _make_people(max(1, count // SIGN_INS_A_PERSON))
    people = list(cookies)
    for number in range(count):
        user = people[number % len(people)]
        if number % NEW_DEVICE_EVERY == NEW_DEVICE_EVERY - 1:
            _sign_in(user, user_agent=SAFARI, ip_address=f"198.19.{number // NEW_DEVICE_EVERY % 256}.7")
        else:
            home = f"198.18.{user.pk % 256}.7"
            known = _sign_in(user, user_agent=FIREFOX, ip_address=home, presented_token=cookies[user])
            cookies[user] = known.issued_token


def _sign_in(user: User, **fields: object) -> SignIn:
    with transaction.atomic():
        sign_in = SignIn.objects.create(user=user, issued_token=secrets.token_hex(32), **fields)
        sign_in_recorded.send(SignIn, sign_in=sign_in)
    return sign_in


def _make_people(count: int) -> dict[User, str]:
    """People, each with a device known since yesterday, and the token of its cookie."""
    yesterday = timezone.now() - timedelta(days=1)
    names = [f"person-{number}" for number in range(count)]
    people = User.objects.bulk_create([User(username=name, email=f"{name}@example.com") for name in names])
    seen = {"browser": "Firefox", "os": "Linux", "first_seen_at": yesterday, "last_seen_at": yesterday}
    devices = Device.objects.bulk_create([Device(user=user, **seen) for user in people])
    earlier = SignIn.objects.bulk_create([_earlier_sign_in(device) for device in devices])
    return {sign_in.user: sign_in.issued_token for sign_in in earlier}


def _earlier_sign_in(device: Device) -> SignIn:
    return SignIn(
        user=device.user,
        device=device,
        device_status=SignIn.DeviceStatus.NEW,
        device_reason=SignIn.DeviceReason.FIRST_DEVICE,
        created_at=device.first_seen_at,
        issued_token=secrets.token_hex(32),
    )
