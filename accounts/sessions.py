"""The sessions of people: which there are is known by their sign-ins, each of which follows its session's key.

A change of a password gives its session another key. So who ends sessions locks the person first, and looks then.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from typing import cast

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, logout
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts import locking, sql
from accounts.models import Device, SignIn, User

# So many are asked for by one statement.
SOME = 1000
UNEXPIRED = (
    "SELECT session_data FROM django_session WHERE session_key = %(session_key)s AND expire_date > %(expire_date)s"
)


def person_of(session: SessionBase) -> User | None:
    """Whom the session signs in: what ``request.user`` finds, by the same checks, at a fraction of its cost.

    For what each open page asks again and again. None also where Django may still find somebody, who is to be asked
    then: by a key that was replaced since, for one.
    """
    found = sql.fetch(UNEXPIRED, Session, session_key=session.session_key, expire_date=timezone.now())
    data = session.decode(found[0]) if found else {}
    if data.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    row = sql.fetch(_by_id(), User, id=data[SESSION_KEY])
    person = cast(User, sql.read(row, User)[0]) if row else None
    is_theirs = person and constant_time_compare(data.get(HASH_SESSION_KEY, ""), person.get_session_auth_hash())
    return person if person and person.is_active and is_theirs else None


@functools.cache
def _by_id() -> str:
    return f"SELECT {sql.columns(User, 'u')} FROM accounts_user u WHERE u.id = %(id)s"  # noqa: S608  names


def open_sessions(user_id: int) -> dict[str, int]:
    """The keys of the person's open sessions, the newest first, each with the id of the last sign-in by it.

    Not by a join, for which PostgreSQL may read the sessions of all: it takes everybody for one who signs in a lot.
    """
    sign_ins = SignIn.objects.filter(user=user_id).exclude(session_key="").order_by("-created_at", "-pk")
    newest: dict[str, int] = {}
    for key, sign_in in sign_ins.values_list("session_key", "pk"):
        newest.setdefault(key, sign_in)
    unexpired = Session.objects.filter(expire_date__gt=timezone.now())
    alive = {key for some in _few(newest) for key in unexpired.filter(pk__in=some).values_list("pk", flat=True)}
    return {key: sign_in for key, sign_in in newest.items() if key in alive}


def end_other_sessions(user_id: int, *, kept: str) -> int:
    """Sign the person out of every browser but that with the session's key ``kept``; returns how many that ended."""
    locking.lock_person(user_id)
    others = open_sessions(user_id).keys() - {kept}
    return sum(Session.objects.filter(pk__in=some).delete()[0] for some in _few(others))


def _few(keys: Collection[str]) -> Iterator[list[str]]:
    listed = list(keys)
    return (listed[start : start + SOME] for start in range(0, len(listed), SOME))


def end_sessions_of_device(device: Device) -> int:
    """Sign the device out; returns how many sessions that ended."""
    locking.lock_person(device.user_id)
    sign_ins = SignIn.objects.filter(user=device.user_id, device=device).exclude(session_key="")
    # In one statement: there may be thousands, of which few are open.
    return Session.objects.filter(pk__in=sign_ins.values("session_key")).delete()[0]


def end_session(sign_in: SignIn) -> None:
    """Sign the browser of this sign-in out; a session that is over already stays over."""
    locking.lock_person(sign_in.user_id)
    Session.objects.filter(pk__in=SignIn.objects.filter(pk=sign_in.pk).values("session_key")).delete()


def is_open(session: SessionBase) -> bool:
    """Whether nobody has ended it, which nobody can until the transaction ends."""
    rows = Session.objects.select_for_update().filter(pk=session.session_key, expire_date__gt=timezone.now())
    return rows.values_list("pk").first() is not None


def leave_ended_session(request: HttpRequest) -> bool:
    """Whether what was just done has ended the session that it came from; its browser is signed out then."""
    key = request.session.session_key
    if not key or request.session.exists(key):
        return False
    logout(request)
    return True


def end_sessions(user_id: int) -> int:
    """Sign the person out of every browser; returns how many sessions that ended."""
    locking.lock_person(user_id)
    sign_ins = SignIn.objects.filter(user=user_id).exclude(session_key="")
    # In one statement: there may be thousands of sign-ins, of which few are open.
    return Session.objects.filter(pk__in=sign_ins.values("session_key")).delete()[0]


def end_sessions_of(users: Collection[int]) -> set[int]:
    """Sign all of them out of every browser; returns those who were signed in."""
    locking.lock_people(users)
    sign_ins = SignIn.objects.filter(user__in=users, session_key__in=Session.objects.values("pk"))
    owners = dict(sign_ins.values_list("session_key", "user_id"))
    Session.objects.filter(pk__in=list(owners)).delete()
    return set(owners.values())
