"""A site's history: its people, and what happened on each of the days up to today."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Max, Model

from accounts.models import Device, Notice, SecurityEvent, SignIn, User, Verdict
from loginwatch.simulation.cast import Cast, KnownDevice, Person
from loginwatch.simulation.filling import filling
from loginwatch.simulation.happening import Visit, visits_on
from loginwatch.simulation.processes import made
from loginwatch.simulation.rows import Batch
from loginwatch.simulation.story import Story, Told
from loginwatch.simulation.tables import Block, table_of
from workflows import figures
from workflows.models import Run, Step

PEOPLE: list[type[Model]] = [User, EmailAddress]
WORKFLOWS: list[type[Model]] = [SignIn, Device, SecurityEvent, Verdict, Notice, Run, Step]
NUMBERED: list[type[Model]] = [model for model in [*PEOPLE, *WORKFLOWS] if model is not Run]
# Visits whose rows are made at once; and days of people for which other processes are worth their start.
BATCH, MANY = 1_000, 100_000


class Progress(NamedTuple):
    """``days`` are written; ``rows`` of each model so far."""

    days: int
    rows: Counter[type[Model]]


def simulate(*, users: int, days: int, seed: int, now: datetime, processes: int = 0) -> Generator[Progress, None, None]:
    """Write the history of so many people over the last ``days`` days, until ``now``: all of it, or nothing.

    What it writes follows from the arguments and the keys that were taken before, but for ``processes``: 0 for as many
    as are worth it.
    """
    processes = processes or ((os.cpu_count() or 1) if users * days > MANY else 1)
    rows = Counter[type[Model]]()
    with transaction.atomic():
        with filling([*PEOPLE, *WORKFLOWS], bare=[] if SignIn.objects.exists() else WORKFLOWS):
            history = _History(users, days, seed, now)
            for batch, blocks in made(history.batches(), processes=processes):
                _write(blocks, rows)
                yield Progress(batch.day, rows)
            for blocks in history.people():
                _write(blocks, rows)
        figures.write(history.began, now)
    yield Progress(days, rows)


def _write(blocks: dict[type[Model], Block], rows: Counter[type[Model]]) -> None:
    for model, block in blocks.items():
        table_of(model).write(block)
        rows[model] += block.rows


class _History:
    def __init__(self, users: int, days: int, seed: int, now: datetime) -> None:
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.began = midnight - timedelta(days=days - 1)
        self._days = days
        # What the site has not ended yet would be taken for its own.
        self._until = _plain(now - timedelta(minutes=1))
        self._seed = seed
        self._random = Random(seed)  # noqa: S311  a story, not a secret
        keys = {model: (model._default_manager.aggregate(newest=Max("pk"))["newest"] or 0) + 1 for model in NUMBERED}
        self._email_keys = count(keys[EmailAddress])
        self._story = Story(keys, self._random)
        cast = Cast(seed, users)
        self._people = [cast.person(number) for number in range(keys[User], keys[User] + users)]

    def batches(self) -> Iterator[Batch]:
        host = urlsplit(settings.SITE_URL).hostname or "localhost"
        for day in range(self._days):
            midnight = _plain(self.began) + timedelta(days=day)
            visits = iter(visits_on(day, midnight.weekday(), self._people, self._random))
            while some := list(islice(visits, BATCH)):
                keys = dict(self._story.keys)
                told = list(self._told(some, midnight, day))
                yield Batch(day, f"{self._seed} {day} {keys[SecurityEvent]}", host, keys, told)

    def _told(self, visits: list[Visit], midnight: datetime, day: int) -> Iterator[Told]:
        for visit in visits:
            at = midnight + timedelta(seconds=visit.at)
            if at < self._until:
                yield self._story.tell(visit, at, day)

    def people(self) -> Iterator[dict[type[Model], Block]]:
        """With their devices. They have no password: nobody can sign in as one of them."""
        nothing = make_password(None)
        people = iter(self._people)
        while some := list(islice(people, BATCH)):
            yield {
                User: _block(User, (_account(person, nothing, _plain(self.began), self._random) for person in some)),
                EmailAddress: _block(EmailAddress, map(_email_address, some, self._email_keys)),
                Device: _block(Device, (_device(person, one) for person in some for one in person.devices)),
            }


def _plain(moment: datetime) -> datetime:
    """In UTC, without its zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _block(model: type[Model], rows: Iterable[dict[str, Any]]) -> Block:
    table = table_of(model)
    return table.block([table.line(values) for values in rows])


def _account(person: Person, password: str, joined: datetime, random: Random) -> dict[str, Any]:
    first, last, _ = person.username.split(".")
    return {
        "id": person.number,
        "username": person.username,
        "email": person.email,
        "first_name": first.title(),
        "last_name": last.title(),
        "uuid": str(UUID(int=random.getrandbits(128), version=4)),
        "password": password,
        "date_joined": joined,
    } | ({"last_login": person.last_sign_in} if person.last_sign_in else {})


def _email_address(person: Person, key: int) -> dict[str, Any]:
    return {"id": key, "user": person.number, "email": person.email, "verified": True, "primary": True}


def _device(person: Person, device: KnownDevice) -> dict[str, Any]:
    return {
        "id": device.number,
        "user": person.number,
        "first_sign_in": device.first_sign_in,
        "browser": device.browser,
        "os": device.os,
        "network": device.network,
        "first_seen_at": device.first_seen_at,
        "last_seen_at": device.last_seen_at,
    }
