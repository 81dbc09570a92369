"""A site's history: its people, and what happened on each of the days up to today."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from urllib.parse import urlsplit

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db.models import Max
from django.utils import timezone

from accounts.models import Device, Notice, SecurityEvent, SignIn, User, Verdict
from loginwatch.simulation.cast import Cast, Person
from loginwatch.simulation.happening import visits_on
from loginwatch.simulation.rows import Writer, uuid
from loginwatch.simulation.tables import Rows
from workflows.models import Run, Step

MODELS = [User, EmailAddress, SignIn, Device, SecurityEvent, Verdict, Notice, Run, Step]


def simulate(*, users: int, days: int, seed: int) -> Iterator[Rows]:
    """Write the history of so many people over the last ``days`` days, until now; yields after each day.

    What it writes follows from the arguments, the day, and the keys that were taken before.
    """
    random = Random(seed)  # noqa: S311  a story, not a secret
    rows = Rows(MODELS)
    midnight = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first_day = midnight - timedelta(days=days - 1)
    people = list(_people(rows, Cast(seed, users), users, first_day, random))
    rows.flush()
    writer = Writer(rows, random, urlsplit(settings.SITE_URL).hostname or "localhost")
    for day in range(days):
        _write_day(writer, people, first_day + timedelta(days=day), day, random)
        rows.flush()
        yield rows
    rows.set_sequences()


def _write_day(writer: Writer, people: list[Person], midnight: datetime, day: int, random: Random) -> None:
    """Until a minute ago: what the site has not ended yet would be taken for its own."""
    until = timezone.now() - timedelta(minutes=1)
    for visit in visits_on(day, midnight.weekday(), people, random):
        at = midnight + timedelta(seconds=visit.at)
        if at < until:
            writer.write(visit, at, day)


def _people(rows: Rows, cast: Cast, users: int, joined: datetime, random: Random) -> Iterator[Person]:
    """Without a password: nobody can sign in as one of them."""
    newest = User.objects.aggregate(newest=Max("pk"))["newest"] or 0
    nothing = make_password(None)
    for number in range(newest + 1, newest + users + 1):
        person = cast.person(number)
        rows.add(
            User,
            username=person.username,
            email=person.email,
            first_name=person.username.split(".")[0].title(),
            last_name=person.username.split(".")[1].title(),
            uuid=uuid(random),
            password=nothing,
            date_joined=joined,
        )
        rows.add(EmailAddress, user=number, email=person.email, verified=True, primary=True)
        rows.flush_where_many()
        yield person
