"""What people and operators ask the site for, by Django's test client."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from accounts import devices
from accounts.models import SignIn, User
from accounts.searching import SearchAdmin
from benchmarks.growth import person
from benchmarks.growth.watch import Watch
from workflows.models import Run

RUN = re.compile(r"/runs/([0-9a-f-]{36})")
SECURITY = "/security/"
OPERATOR = "operator"
# Seconds for which a statement of a page of the admin is waited for.
PATIENCE = 20


def warm_up(user: User) -> None:
    """The first page of a process is slow, whatever it is."""
    client = _signed_in(user)
    for _ in range(3):
        client.get(SECURITY)
        client.get(person.LOGIN)


def look_around(watch: Watch, people: Iterable[User], of: str) -> Iterator[None]:
    """Each asks for the page where a sign-in lands and for its run, and then for all of it again."""
    for user in people:
        client = _signed_in(user)
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


def administrate(watch: Watch) -> Iterator[None]:
    """The first page of every list that the admin has, and a search for all that it can be searched for: once each."""
    operator = User.objects.filter(username=OPERATOR).first() or person.make_person(
        OPERATOR, is_staff=True, is_superuser=True
    )
    client = _signed_in(operator)
    client.get(reverse("admin:index"))
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = '{PATIENCE}s'")
    for model, shown in admin.site._registry.items():
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        client.get(f"{address}?id__lt=0")  # an empty one, for the templates
        _ask(watch, client, address, f"admin: {model._meta.verbose_name_plural}")
        yield
        if isinstance(shown, SearchAdmin):
            for kind, words in _searches(shown).items():
                _ask(watch, client, f"{address}?q={words}", f"admin: {model._meta.verbose_name_plural}, by {kind}")
                yield
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")


def _searches(shown: SearchAdmin) -> dict[str, str]:
    """What the list is searched for, by its kind."""
    run = Run.objects.order_by("-sign_in").values_list("pk", flat=True)[500]
    searches = {"person": "member-77@example.com", "network": "198.51.100.0/28", "run": str(run)}
    given = {"person": shown.search_person, "network": shown.search_address, "run": shown.search_id}
    return {kind: words for kind, words in searches.items() if given[kind]}


def _ask(watch: Watch, client: Client, address: str, what: str) -> None:
    try:
        with watch.timing(what):
            answer = client.get(address)
    except DatabaseError:
        watch.ms[what].append(1000.0 * PATIENCE)
        return
    if answer.status_code != 200:
        raise AssertionError(f"{address}: {answer.status_code}")


def _signed_in(user: User) -> Client:
    """A browser with a session of ``user``, who has not signed in for it."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(session.session_key)
    return client
