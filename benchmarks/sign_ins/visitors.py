"""People who sign in over HTTP, each request made ready beforehand: what is measured shares its processor with them.

19 of 20 come again with a browser that the site knows; see people.py for those who need no HTTP.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import BasePasswordHasher, MD5PasswordHasher, make_password
from django.http import HttpResponse
from django.utils import timezone

from accounts import device_cookies
from accounts.models import Device, SignIn, User
from benchmarks.people import FIREFOX, NEW_DEVICE_EVERY, SAFARI
from benchmarks.site import HOST

PASSWORD = "loginwatch-bench"  # noqa: S105  of people who live for some minutes
CHEAP_HASH = MD5PasswordHasher()
# Any will do: Django compares the form's with the cookie's.
CSRF_TOKEN = secrets.token_hex(16)
DEVICE_COOKIE = re.compile(rb"^Set-Cookie: *(device_[^;]+)", re.IGNORECASE | re.MULTILINE)
REQUEST = """\
POST /accounts/login/ HTTP/1.1\r
Host: {host}\r
Origin: https://{host}\r
X-Forwarded-Proto: https\r
X-Forwarded-For: {address}\r
User-Agent: {user_agent}\r
Cookie: csrftoken={token}; {device}\r
Content-Type: application/x-www-form-urlencoded\r
Content-Length: {length}\r
Connection: close\r
\r
{form}"""
SIGNED_IN = b"HTTP/1.1 302 "

Coming = Callable[[], Coroutine[None, None, float]]


class NotSignedIn(Exception):
    """A sign-in was answered otherwise than by letting the person in."""


@dataclass
class Visitor:
    """``device`` is the cookie of the browser that the site knows."""

    name: str
    home: str
    device: str


class Visitors:
    """They sign in in turn; two of one person never meet while there are enough of them."""

    def __init__(self, kind: str, count: int, hasher: BasePasswordHasher | str = CHEAP_HASH) -> None:
        """Makes ``count`` people whose names begin with ``kind``."""
        self._visitors = _make_visitors([f"{kind}-{number}" for number in range(count)], hasher)
        self._came = 0

    @property
    def names(self) -> list[str]:
        return [visitor.name for visitor in self._visitors]

    async def sign_in(self, port: int) -> float:
        """The next of them, at the server on ``port``; milliseconds until the page was back. Raises NotSignedIn."""
        number, self._came = self._came, self._came + 1
        visitor = self._visitors[number % len(self._visitors)]
        if number % NEW_DEVICE_EVERY == NEW_DEVICE_EVERY - 1:
            new = number // NEW_DEVICE_EVERY
            request = _request(visitor.name, f"198.19.{new % 256}.{new // 256 + 1}", SAFARI, "")
            return (await _post(port, request))[0]
        ms, answer = await _post(port, _request(visitor.name, visitor.home, FIREFOX, visitor.device))
        visitor.device = _device_cookie(answer)
        return ms


async def at_rate(sign_in: Coming, *, rate: float, count: int) -> list[float]:
    """``count`` of them, ``rate`` a second, however long each takes. Raises an ExceptionGroup of NotSignedIn."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = []
        for number in range(count):
            await asyncio.sleep(began + number / rate - time.perf_counter())
            tasks.append(group.create_task(sign_in()))
    return [task.result() for task in tasks]


async def at_once(sign_in: Coming, *, concurrent: int, count: int) -> list[float]:
    """``count`` of them, ``concurrent`` at any time. Raises an ExceptionGroup of NotSignedIn."""
    left = iter(range(count))

    async def come() -> list[float]:
        return [await sign_in() for _ in left]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(come()) for _ in range(concurrent)]
    return [ms for task in tasks for ms in task.result()]


async def _post(port: int, request: bytes) -> tuple[float, bytes]:
    """Milliseconds until the answer was back, and the answer. Each has a connection of its own, as from a proxy."""
    sent = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        answer = await reader.read()
    finally:
        writer.close()
    ms = 1000 * (time.perf_counter() - sent)
    if not answer.startswith(SIGNED_IN):
        raise NotSignedIn(answer.partition(b"\n")[0].decode(errors="replace"))
    return ms, answer


def _request(name: str, address: str, user_agent: str, device: str) -> bytes:
    form = urlencode({"login": name, "password": PASSWORD, "csrfmiddlewaretoken": CSRF_TOKEN})
    values = {"address": address, "user_agent": user_agent, "device": device, "form": form, "length": len(form)}
    return REQUEST.format(host=HOST, token=CSRF_TOKEN, **values).encode()


def _device_cookie(answer: bytes) -> str:
    found = DEVICE_COOKIE.search(answer)
    if not found:
        raise NotSignedIn("no device cookie came with the answer")
    return found[1].decode()


def _make_visitors(names: list[str], hasher: BasePasswordHasher | str) -> list[Visitor]:
    """People with a confirmed address, each with a device known since yesterday and its cookie."""
    password, yesterday = make_password(PASSWORD, hasher=hasher), timezone.now() - timedelta(days=1)
    users = User.objects.bulk_create(
        User(username=name, email=f"{name}@example.com", password=password) for name in names
    )
    EmailAddress.objects.bulk_create(
        EmailAddress(user=user, email=user.email, verified=True, primary=True) for user in users
    )
    seen = {"browser": "Firefox", "os": "Linux", "first_seen_at": yesterday, "last_seen_at": yesterday}
    devices = Device.objects.bulk_create([Device(user=user, **seen) for user in users])
    ids = [device_cookies.new_id() for _ in users]
    SignIn.objects.bulk_create(_earlier_sign_in(device, id_) for device, id_ in zip(devices, ids, strict=True))
    homes = [f"198.18.{number % 256}.{number // 256 + 1}" for number in range(len(users))]
    return [Visitor(user.username, home, _cookie(user, id_)) for user, home, id_ in zip(users, homes, ids, strict=True)]


def _earlier_sign_in(device: Device, device_id: str) -> SignIn:
    return SignIn(
        user=device.user,
        device=device,
        device_status=SignIn.DeviceStatus.NEW,
        device_reason=SignIn.DeviceReason.FIRST_DEVICE,
        created_at=device.first_seen_at,
        issued_token=device_cookies.token_of(device_id),
    )


def _cookie(user: User, device_id: str) -> str:
    response = HttpResponse()
    device_cookies.set_cookie(response, user, device_id)
    name = device_cookies.cookie_name(user)
    return f"{name}={response.cookies[name].value}"
