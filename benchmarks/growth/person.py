"""A person with the usual history, made by the site itself: it is what the big site is then copied from.

Nothing here knows the columns of a table, so the copies have the rows that this version of the site writes.
"""

from __future__ import annotations

import json
import sys

from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import override_settings

from accounts.models import SignIn, User
from benchmarks import site
from benchmarks.people import FIREFOX, NEW_DEVICE_EVERY, SAFARI
from tests.waiting import wait_for
from workflows.models import Run

NAME = "member-1"
PASSWORD = "correct-horse-battery"  # noqa: S105  of people that live as long as the measurement
LOGIN = "/accounts/login/"
HOME = "198.18.1.7"
# As wide as the ids of a big site are, which stand in JSON too.
FIRST_ID = 5_000_001


def make_person(name: str, **fields: object) -> User:
    """Somebody who can sign in with PASSWORD by the cheapest of Django's hashes (see ``cheap``)."""
    from allauth.account.models import EmailAddress

    user = User.objects.create(
        username=name, email=f"{name}@example.com", password=make_password(PASSWORD, hasher="md5"), **fields
    )
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def cheap() -> override_settings:
    """Settings under which a sign-in costs what it does beside the password's hash, and nobody is held up."""
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return override_settings(DEBUG=False, PASSWORD_HASHERS=hashers, ACCOUNT_RATE_LIMITS={"login": "1000000/s"})


def sign_in(client: Client, user: User, *, address: str = HOME, user_agent: str = FIREFOX) -> None:
    """By the site's form, in a new session; the browser keeps its device cookie."""
    client.cookies.pop("sessionid", None)
    form = {"login": user.username, "password": PASSWORD}
    answer = client.post(LOGIN, form, REMOTE_ADDR=address, HTTP_USER_AGENT=user_agent)
    if answer.status_code != 302:
        raise AssertionError(f"{user} could not sign in: {answer.status_code}")


def live(user: User, sign_ins: int) -> None:
    """``sign_ins`` one after the other, each with its run; one of NEW_DEVICE_EVERY from a device that is new."""
    known = Client()
    for number in range(sign_ins):
        if number % NEW_DEVICE_EVERY == NEW_DEVICE_EVERY - 1:
            sign_in(Client(), user, address=f"198.19.{number}.7", user_agent=SAFARI)
        else:
            sign_in(known, user)
        wait_for(lambda: not Run.objects.filter(state__in=Run.UNFINISHED).exists(), "the run has ended")


def number_as_a_big_site() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sequencename FROM pg_sequences WHERE sequencename ~ '^(accounts|workflows|django_celery)'"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"ALTER SEQUENCE {name} RESTART WITH {FIRST_ID}")


def main(sign_ins: str) -> None:
    """Prints the states of the runs, as JSON."""
    call_command("migrate", verbosity=0)
    number_as_a_big_site()
    with cheap(), site.broker(), site.process("risk"), site.process("worker"):
        live(make_person(NAME), int(sign_ins))
    connection.close()
    json.dump(
        {"sign_ins": SignIn.objects.count(), "states": list(Run.objects.values_list("state", flat=True))}, sys.stdout
    )
