"""What a page that shows a run is told where nothing has changed: cheaply, and nobody else is told that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from accounts.sessions import end_sessions
from tests.pages.browsing import page_of, signed_in
from workflows.models import Run

MakeRun = Callable[..., Run]
HTMX = {"HX-Request": "true"}


def asking_of(client: Client, run: Run) -> str:
    """Where the page of the run, open in this browser, asks; it has asked once."""
    return asks_at(client, reverse("workflows:run", args=[run.pk]))


def asks_at(client: Client, address: str) -> str:
    asking = str(page_of(client, address).find("div", id="run-poll").attributes["hx-get"])
    # PostgreSQL has its statements prepared from then on.
    assert client.get(asking, headers=HTMX).status_code == 204
    return asking


@pytest.fixture
def run(alice: User, make_run: MakeRun) -> Run:
    return make_run(alice)


def test_it_is_told_by_three_statements_without_loading_the_session(
    alice: User, admin: User, run: Run, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    security, page = reverse("workflows:security"), reverse("workflows:run", args=[run.pk])
    for client, address in ((signed_in(alice, run), security), (signed_in(alice), page), (signed_in(admin), page)):
        asking = asks_at(client, address)
        # The session, the person, and a glance at the run.
        with django_assert_num_queries(3):
            answer = client.get(asking, headers=HTMX)
        assert (answer.status_code, answer.content) == (204, b"")
        assert "no-store" in answer.headers["Cache-Control"]
        assert "Content-Security-Policy" in answer.headers
        assert not answer.wsgi_request.session.accessed


def test_so_is_that_it_may_be_asked_for_more_rarely(
    alice: User, run: Run, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = signed_in(alice)
    asking = asking_of(client, run).replace("every=1&", "every=0&")
    with django_assert_num_queries(3):
        answer = client.get(asking, headers=HTMX)
    assert answer.content.startswith(b'<div id="run-poll"')
    assert b'every 1s"' in answer.content and b"<p" not in answer.content
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_page_that_is_drawn_anew_loads_no_session_either(alice: User, admin: User, run: Run) -> None:
    for client in (signed_in(alice), signed_in(admin)):
        answer = client.get(asking_of(client, run).replace("seen=", "seen=x"), headers=HTMX)
        assert b'id="run-panel"' in answer.content
        assert not answer.wsgi_request.session.accessed


def change_data(client: Client, name: str, value: str) -> None:
    session = client.session
    session[name] = value
    session.save()


def spoil(client: Client) -> None:
    """As who could write to the table, and has no key to sign with."""
    row = Session.objects.get(pk=client.session.session_key)
    row.session_data = row.session_data[:-2] + ("AA" if row.session_data[-2:] != "AA" else "BB")
    row.save()


def change_password(user: User) -> None:
    user.set_password("another-horse-battery")
    user.save()


# What is done to the browser in which the page is open, or to who is signed in there.
ENDS: dict[str, Callable[[Client, User], object]] = {
    "signed out": lambda client, user: Session.objects.filter(pk=client.session.session_key).delete(),
    "signed out of every browser": lambda client, user: end_sessions(user.pk),
    "expired": lambda client, user: Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1)),
    "another password": lambda client, user: change_password(user),
    "not active": lambda client, user: User.objects.filter(pk=user.pk).update(is_active=False),
    "a key that was guessed": lambda client, user: client.cookies.load({"sessionid": "0" * 32}),
    "no key": lambda client, user: client.cookies.clear(),
    "data that nobody signed": lambda client, user: spoil(client),
    "the hash of another password": lambda client, user: change_data(client, HASH_SESSION_KEY, "x"),
    "a way of signing in that is no more": lambda client, user: change_data(client, BACKEND_SESSION_KEY, "x.Backend"),
    "somebody who is no more": lambda client, user: change_data(client, USER_KEY, "999999"),
}


@pytest.mark.parametrize("end", ENDS)
def test_nobody_is_told_whose_session_has_ended(alice: User, run: Run, end: str) -> None:
    client = Client()
    client.force_login(alice)
    asking = asking_of(client, run)
    ENDS[end](client, alice)
    for address in (asking, asking.replace("seen=", "seen=x")):  # the second would draw the run anew
        answer = client.get(address, headers=HTMX)
        assert (answer.status_code, answer.content, answer.headers["HX-Refresh"]) == (200, b"", "true")
        assert client.get(address).status_code == 404


def test_neither_is_another_person_told_who_has_the_address(alice: User, bob: User, run: Run) -> None:
    asking = asking_of(signed_in(alice), run)
    for client in (signed_in(bob), Client()):
        assert client.get(asking).status_code == 404


def test_staff_is_told_as_long_as_they_are(admin: User, run: Run) -> None:
    client = signed_in(admin)
    asking = asking_of(client, run)
    User.objects.filter(pk=admin.pk).update(is_staff=False)
    assert client.get(asking, headers=HTMX).status_code == 404


def test_what_was_seen_of_one_run_tells_nothing_of_another(alice: User, bob: User, make_run: MakeRun) -> None:
    own, other, of_bob = make_run(alice), make_run(alice), make_run(bob)
    client = signed_in(alice)
    asking = asking_of(client, own)
    assert client.get(asking.replace(str(own.pk), str(of_bob.pk)), headers=HTMX).status_code == 404
    assert "run-panel" in page_of(client, asking.replace(str(own.pk), str(other.pk)), headers=HTMX).html


def test_a_key_of_the_site_that_was_replaced_still_signs_nobody_out(alice: User, run: Run, settings: Settings) -> None:
    client = signed_in(alice)
    asking = asking_of(client, run)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the next one, which is as long as they have to be"
    assert client.get(asking, headers=HTMX).status_code == 200
    assert client.get(asking, headers=HTMX).status_code == 204
