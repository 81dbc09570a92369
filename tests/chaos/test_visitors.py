"""The visitors of a chaos trial, against the site itself and against one that fails them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.contrib.auth.hashers import make_password
from django.db.models import Count
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import SignIn, User
from loginwatch.chaos import visitors
from loginwatch.chaos.visitors import Visit, Visitors, address_for
from loginwatch.demo.cast import PASSWORD

# What the site under trial says to one request: a status, or nothing at all.
HANG_UP = 0


@pytest.fixture
def people(live_server: LiveServer, settings: Settings, make_user: Callable[..., User]) -> list[str]:
    settings.SITE_URL = live_server.url
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.TRUSTED_PROXY_COUNT = 1
    users = [make_user("alice"), make_user("bob")]
    User.objects.update(password=make_password(PASSWORD))
    return [user.username for user in users]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "PAUSE", (0.01, 0.02))
    monkeypatch.setattr(visitors, "PATIENCE", 5.0)


def come(url: str, users: list[str], *, count: int, rate: float = 1000.0) -> list[Visit]:
    coming = Visitors(url, users, count=count, rate=rate, seed=1)
    asyncio.run(coming.come())
    return coming.visits


def test_every_visit_is_a_sign_in_from_an_address_of_its_own(live_server: LiveServer, people: list[str]) -> None:
    visits = come(live_server.url, people, count=20, rate=20)

    assert all(visit.answered for visit in visits)
    recorded = SignIn.objects.values_list("user__username", "ip_address")
    assert sorted(recorded) == sorted((visit.user, visit.address) for visit in visits)
    assert len({visit.address for visit in visits}) == 20


def test_some_browsers_come_again_with_their_device_cookie_and_some_are_new(
    live_server: LiveServer, people: list[str]
) -> None:
    coming = Visitors(live_server.url, people, count=4, rate=1000.0, seed=1)
    for _ in range(5):  # who comes later finds the browsers of those who have left
        asyncio.run(coming.come())

    issued = set(SignIn.objects.values_list("issued_token", flat=True))
    brought = SignIn.objects.exclude(presented_token="")
    assert 0 < brought.count() < 20
    assert set(brought.values_list("presented_token", flat=True)) <= issued
    assert SignIn.objects.aggregate(agents=Count("user_agent", distinct=True))["agents"] > 1


def test_a_visitor_tries_again_until_the_site_answers() -> None:
    with site(503, HANG_UP, 200, 500, 200, HANG_UP, 200, 302) as url:
        [visit] = come(url, ["alice"], count=1)

    assert visit.answered
    assert [(one.page, one.status) for one in visit.attempts] == [
        ("form", 503),
        ("form", HANG_UP),
        ("form", 200),
        ("sign_in", 500),
        ("form", 200),
        ("sign_in", HANG_UP),
        ("form", 200),
        ("sign_in", 302),
    ]
    assert all(one.error for one in visit.attempts if one.status == HANG_UP)
    assert all(one.seconds > 0 and one.ended > one.began for one in visit.attempts)


def test_a_visitor_who_is_never_answered_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "PATIENCE", 0.05)
    with site(*[500] * 100) as url:
        [visit] = come(url, ["alice"], count=1)

    assert not visit.answered
    assert {one.status for one in visit.attempts} == {500}


def test_a_refused_sign_in_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "PATIENCE", 0.0)
    with site(200, 429) as url:
        [visit] = come(url, ["alice"], count=1)

    assert not visit.answered


def test_addresses_are_of_the_range_for_measurements_and_do_not_repeat() -> None:
    addresses = [address_for(number) for number in range(100_000)]

    assert len(set(addresses)) == 100_000
    assert all(address.startswith(("198.18.", "198.19.")) for address in addresses)


@contextmanager
def site(*statuses: int) -> Iterator[str]:
    """A site that answers its requests with these, one after the other."""
    left = iter(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status = next(left)
            if status == HANG_UP:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815  the base class's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
