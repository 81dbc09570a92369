"""The browsers of the cast: each keeps its cookies, says what it is and where, and signs people in for real."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import time_machine
from django.contrib.auth import SESSION_KEY
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import device_cookies, devices
from accounts.models import SignIn, User
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

FIREFOX_ON_LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NEWER_FIREFOX_ON_LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:163.0) Gecko/20100101 Firefox/163.0"
FIREFOX_ON_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME_ON_LINUX = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
# It names a browser and no system, as programs do.
CURL = "curl/8.14.1"

HOME = "203.0.113.7"
NEXT_DOOR = "203.0.113.200"
ELSEWHERE = "198.51.100.7"
HOME_IPV6 = "2001:db8:1:2::7"
NEXT_DOOR_IPV6 = "2001:db8:1:2:ffff::1"
ELSEWHERE_IPV6 = "2001:db8:1:3::7"

LOGIN = "/accounts/login/"

# What is found out of a device: status and reason.
COOKIE = ("known", "cookie")
SAME_NETWORK = ("probably_known", "same_network")
FIRST_DEVICE = ("new", "first_device")
NO_MATCH = ("new", "no_match")
OS_CHANGED = ("new", "os_changed")
TOKEN_REPLAYED = ("new", "token_replayed")
UNTRUSTED = ("new", "untrusted")


class Browser:
    def __init__(self, user_agent: str = FIREFOX_ON_LINUX, ip: str = HOME, *, host: str = "testserver") -> None:
        self.client = Client(HTTP_HOST=host)
        self.user_agent = user_agent
        self.ip = ip

    def post(self, path: str, data: dict[str, str]) -> Response:
        return self.client.post(path, data, **self._headers())

    def get(self, path: str) -> Response:
        return self.client.get(path, **self._headers())

    def sign_in(self, person: User, *, by: str | None = None) -> SignIn:
        """Sign ``person`` in through the site's form, in a new session; their sign-in, not decided yet."""
        self.client.cookies.pop("sessionid", None)
        response = self.post(LOGIN, {"login": by or person.username, "password": PASSWORD})
        assert response.status_code == 302, response.content.decode()
        return SignIn.objects.filter(user=person).latest("pk")

    def is_signed_in(self) -> bool:
        return self.get(reverse("workflows:security")).status_code == 200

    def signed_in_person(self) -> str | None:
        """The id in the session, as Django keeps it."""
        return self.client.session.get(SESSION_KEY)

    def cookie_of(self, person: User) -> str:
        """The value of the device cookie that this browser holds for ``person``; "" for none."""
        morsel = self.client.cookies.get(device_cookies.cookie_name(person))
        return morsel.value if morsel else ""

    def hold(self, person: User, value: str) -> None:
        """Put ``value`` where the device cookie of ``person`` is."""
        self.client.cookies[device_cookies.cookie_name(person)] = value

    def _headers(self) -> dict[str, Any]:
        return {"REMOTE_ADDR": self.ip, "HTTP_USER_AGENT": self.user_agent}


def decide(sign_in: SignIn) -> SignIn:
    """What the workflow's first step does."""
    with transaction.atomic():
        return devices.recognise_device(sign_in)


def found(sign_in: SignIn) -> tuple[str, str]:
    return sign_in.device_status, sign_in.device_reason


def said_of(sign_in: SignIn) -> str:
    """What its person has said of it."""
    sign_in.refresh_from_db()
    return sign_in.answer


def later(**delta: float) -> time_machine.travel:
    return time_machine.travel(timezone.now() + timedelta(**delta))


def signed_in(user: User) -> Browser:
    """Who has given the password twice: to sign in, and again to change the account."""
    browser = Browser()
    assert browser.post(LOGIN, {"login": user.username, "password": PASSWORD}).status_code == 302
    assert browser.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302
    return browser
