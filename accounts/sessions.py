"""The sessions of people: which there are is known by their sign-ins, each of which follows its session's key."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.sessions.models import Session

from accounts.models import SignIn


def end_sessions(user_id: int) -> int:
    """Sign the person out of every browser; returns how many sessions that ended."""
    sign_ins = SignIn.objects.filter(user=user_id).exclude(session_key="")
    # In one statement: there may be thousands of sign-ins, of which few are open.
    return Session.objects.filter(pk__in=sign_ins.values("session_key")).delete()[0]


def end_sessions_of(users: Collection[int]) -> set[int]:
    """Sign all of them out of every browser; returns those who were signed in."""
    sign_ins = SignIn.objects.filter(user__in=users, session_key__in=Session.objects.values("pk"))
    owners = dict(sign_ins.values_list("session_key", "user_id"))
    Session.objects.filter(pk__in=list(owners)).delete()
    return set(owners.values())
