"""What people ask the site for, by Django's test client."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.test import Client

from accounts import devices
from accounts.models import SignIn, User
from benchmarks.growth import person
from benchmarks.growth.watch import Watch

RUN = re.compile(r"/runs/([0-9a-f-]{36})")
SECURITY = "/security/"


def warm_up(user: User) -> None:
    """The first page of a process is slow, whatever it is."""
    client = signed_in(user)
    for _ in range(3):
        client.get(SECURITY)
        client.get(person.LOGIN)


def look_around(watch: Watch, people: Iterable[User], of: str) -> Iterator[None]:
    """Each asks for the page where a sign-in lands and for its run, and then for all of it again."""
    for user in people:
        client = signed_in(user)
        for again in ("", ", again"):
            with watch.timing(f"security page{of}{again}"):
                page = client.get(SECURITY)
            run = RUN.search(page.content.decode())
            if page.status_code != 200 or run is None:
                raise AssertionError(f"{user}: {page.status_code}, {page.content.decode()}")
            with watch.timing(f"run page{of}{again}"):
                client.get(f"/runs/{run[1]}/")
            with watch.timing(f"run as JSON{of}{again}"):
                client.get(f"/runs/{run[1]}.json")
        yield


def sign_in(watch: Watch, people: Iterable[User], of: str) -> Iterator[None]:
    """Each signs in, and then it is found out with what; as if the browser had brought the cookie it got last."""
    for user in people:
        with watch.timing(f"sign-in{of}"):
            person.sign_in(Client(), user)
        latest, before = SignIn.objects.filter(user=user).order_by("-pk")[:2]
        latest.presented_token = before.issued_token
        latest.save(update_fields=["presented_token"])
        with watch.timing(f"device look-up{of}"), transaction.atomic():
            found = devices.recognise_device(latest)
        if found.device is None:
            raise AssertionError(f"{found} has no device")
        yield


def signed_in(user: User) -> Client:
    """A browser with a session of ``user``, who has not signed in for it."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(session.session_key)
    return client
