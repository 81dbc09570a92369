"""The security log."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import SecurityEvent, SignIn, User
from accounts.security_log import count_failures_before, record_event
from tests.accounts.browser import HOME, LOGIN, Browser, later

Kind = SecurityEvent.Kind


@pytest.fixture
def sign_in(alice: User) -> SignIn:
    return Browser().sign_in(alice)


def test_an_event_says_what_whose_and_from_where(sign_in: SignIn) -> None:
    record_event(sign_in, Kind.SIGNED_IN, {"device": "Firefox on Linux"})

    event = SecurityEvent.objects.get()
    assert (event.kind, event.user, event.sign_in, event.ip_address) == ("signed_in", sign_in.user, sign_in, HOME)
    assert event.details == {"device": "Firefox on Linux"}
    assert str(event) == "signed in"


def test_an_event_is_written_once_and_stays_as_it_was(sign_in: SignIn) -> None:
    first = record_event(sign_in, Kind.SIGNED_IN, {"attempt": 1})
    with later(minutes=5):
        second = record_event(sign_in, Kind.SIGNED_IN, {"attempt": 2})

    assert first == second
    event = SecurityEvent.objects.get()
    assert event.details == {"attempt": 1}
    assert event.created_at < timezone.now() + timedelta(minutes=1)


def test_the_database_holds_a_sign_in_to_one_event_of_a_kind(sign_in: SignIn) -> None:
    record_event(sign_in, Kind.SIGNED_IN, {})
    record_event(sign_in, Kind.RISK_FLAGGED, {})

    with pytest.raises(IntegrityError), transaction.atomic():
        SecurityEvent.objects.create(sign_in=sign_in, kind=Kind.SIGNED_IN)


def test_failures_of_the_hour_before_are_counted(alice: User, bob: User) -> None:
    now = timezone.now()
    for minutes in (-61, -60, -1, 0, 1):
        SecurityEvent.objects.create(kind=Kind.SIGN_IN_FAILED, user=alice, created_at=now + timedelta(minutes=minutes))
    SecurityEvent.objects.create(kind=Kind.SIGNED_IN, user=alice, created_at=now)
    SecurityEvent.objects.create(kind=Kind.SIGN_IN_FAILED, user=bob, created_at=now)
    SecurityEvent.objects.create(kind=Kind.SIGN_IN_FAILED, user=None, created_at=now)

    assert count_failures_before(alice.pk, now) == 3


def test_a_guesser_who_gets_in_has_left_traces(alice: User) -> None:
    guesser = Browser()
    for _ in range(3):
        guesser.post(LOGIN, {"login": "alice", "password": "wrong"})
    sign_in = guesser.sign_in(alice)

    assert count_failures_before(alice.pk, sign_in.created_at) == 3
