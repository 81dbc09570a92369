"""Many people, each with a device, a sign-in and its session, every second with two: copies of one, made by SQL."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models import Model
from django.utils import timezone

from accounts.models import Device, SignIn, User
from benchmarks.growth.server import AT_WORK, set_up
from benchmarks.growth.sql import Database
from benchmarks.people import FIREFOX
from loginwatch.simulation.schema import Schema


@dataclass(frozen=True)
class People:
    """Those with ids from ``first`` to ``last``."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    @property
    def query(self) -> str:
        """The filter of the admin's list that matches them and nobody else."""
        return f"id__gte={self.first}&id__lte={self.last}"


def make(count: int) -> People:
    """Fill the database of this process; its server is then set up for work."""
    url, began = os.environ["DATABASE_URL"], time.monotonic()
    user, device, sign_in, session = _make_one()
    models = (User, Device, SignIn, Session)
    tables = [model._meta.db_table for model in models]
    with Database(url) as database, database.cursor() as cursor:
        schema = Schema.of(cursor, tables)
        schema.take_off(cursor)
        _copy_all(database, user, device, sign_in, session, count)
        for table in tables:
            schema.put_back_indexes(cursor, table)
        schema.put_back_foreign_keys(cursor)
        Session.objects.filter(pk=session.pk).delete()
        User.objects.filter(pk=user.pk).delete()
        for model in models:
            _number_on(database, model)
            database.execute(f"VACUUM (ANALYZE) {model._meta.db_table}")
    set_up(url, AT_WORK)
    print(f"{count:,} people: {time.monotonic() - began:,.0f} s", file=sys.stderr, flush=True)
    return People(user.pk + 1, user.pk + count)


def _make_one() -> tuple[User, Device, SignIn, Session]:
    """The newest of everything."""
    lately = timezone.now() - timedelta(days=2)
    store = SessionStore()
    store["of"] = "a bulk job's measurement"
    store.create()
    user = User.objects.create(
        username="member", email="member@example.com", first_name="Ada", last_name="Member", date_joined=lately
    )
    seen = {"browser": "Firefox", "os": "Linux", "network": "198.18.0.0/24"}
    device = Device.objects.create(user=user, first_seen_at=lately, last_seen_at=lately, **seen)
    sign_in = SignIn.objects.create(
        user=user,
        device=device,
        created_at=lately,
        ip_address="198.18.0.7",
        user_agent=FIREFOX,
        session_key=store.session_key or "",
        issued_token=uuid4().hex,
        device_status=SignIn.DeviceStatus.NEW,
        device_reason=SignIn.DeviceReason.FIRST_DEVICE,
    )
    return user, device, sign_in, Session.objects.get(pk=store.session_key)


def _copy_all(database: Database, user: User, device: Device, sign_in: SignIn, session: Session, count: int) -> None:
    name = "'member-' || n"
    of_user = {"username": name, "email": f"{name} || '@example.com'", "uuid": "gen_random_uuid()"}
    _copy(database, user, count, id=f"{user.pk} + n", **of_user)
    _copy(database, device, count, id=f"{device.pk} + n", user_id=f"{user.pk} + n")
    # The second sign-in of every second person comes after the first of all.
    for kind, many, before, step in (("first", count, 0, 1), ("second", count // 2, count, 2)):
        key = f"md5('{kind}-' || n)"
        _copy(
            database,
            sign_in,
            many,
            id=f"{sign_in.pk + before} + n",
            user_id=f"{user.pk} + {step} * n",
            device_id=f"{device.pk} + {step} * n",
            session_key=key,
            issued_token=f"{key} || {key}",
        )
        _copy(database, session, many, session_key=key)


def _copy(database: Database, row: Model, count: int, **values: str) -> None:
    """``count`` copies of the row, numbered n; ``values`` are expressions for columns that differ."""
    meta = row._meta
    columns = [str(field.column) for field in meta.concrete_fields]
    copied = ", ".join(values.get(column, f"t.{column}") for column in columns)
    database.execute(
        f"INSERT INTO {meta.db_table} ({', '.join(columns)}) "  # noqa: S608  our own names
        f"SELECT {copied} FROM generate_series(1, {count}) n, {meta.db_table} t WHERE t.{meta.pk.column} = %(pk)s",
        {"pk": row.pk},
    )


def _number_on(database: Database, model: type[Model]) -> None:
    if model is not Session:
        table = model._meta.db_table
        database.value(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")  # noqa: S608
