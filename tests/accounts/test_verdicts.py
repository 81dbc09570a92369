"""What the risk service's verdict does to a sign-in."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import transaction
from pytest_django import Settings

from accounts import verdicts
from accounts.models import SecurityEvent, SignIn, User, Verdict
from tests.accounts.browser import ELSEWHERE, Browser
from tests.conftest import PASSWORD

Action, Kind = Verdict.Action, SecurityEvent.Kind

SCORES = {"allow": (0, "low"), "challenge": (30, "medium"), "deny": (90, "high")}
REASONS = [{"code": "new_device", "text": "This device has not signed in to this account before.", "points": 30}]


def act(sign_in: SignIn, decision: str) -> Verdict:
    score, level = SCORES[decision]
    assessment: dict[str, Any] = {
        "version": 1,
        "id": f"assessment-{decision}",
        "score": score,
        "level": level,
        "decision": decision,
        "reasons": REASONS,
        "assessed_at": "2026-03-01T12:00:01Z",
    }
    with transaction.atomic():
        return verdicts.act_on_assessment(sign_in, assessment)


def events_of(sign_in: SignIn) -> list[str]:
    return list(sign_in.security_events.order_by("pk").values_list("kind", flat=True))


def test_the_verdict_is_kept_as_it_was_said(alice: User) -> None:
    sign_in = Browser().sign_in(alice)
    act(sign_in, "challenge")

    verdict = Verdict.objects.get()
    assert (verdict.sign_in, verdict.assessment_id) == (sign_in, "assessment-challenge")
    assert (verdict.score, verdict.level, verdict.decision) == (30, "medium", "challenge")
    assert verdict.reasons == REASONS


@pytest.mark.parametrize(
    ("mode", "decision", "action", "events"),
    [
        ("report", "allow", Action.NOTHING, []),
        ("report", "challenge", Action.FLAGGED, [Kind.RISK_FLAGGED]),
        ("report", "deny", Action.FLAGGED, [Kind.RISK_FLAGGED]),
        ("enforce", "allow", Action.NOTHING, []),
        ("enforce", "challenge", Action.FLAGGED, [Kind.RISK_FLAGGED]),
        ("enforce", "deny", Action.SESSION_ENDED, [Kind.RISK_FLAGGED, Kind.SESSION_ENDED]),
    ],
)
def test_what_is_done_for_a_decision(
    alice: User, settings: Settings, mode: str, decision: str, action: str, events: list[str]
) -> None:
    settings.LOGINWATCH_ENFORCE = mode
    browser = Browser()
    sign_in = browser.sign_in(alice)

    assert act(sign_in, decision).action == action
    assert events_of(sign_in) == events
    assert browser.is_signed_in() == (action != Action.SESSION_ENDED)


def test_only_the_denied_session_ends(alice: User, bob: User, settings: Settings) -> None:
    settings.LOGINWATCH_ENFORCE = "enforce"
    denied, other, of_bob = Browser(ip=ELSEWHERE), Browser(), Browser()
    sign_in = denied.sign_in(alice)
    other.sign_in(alice)
    of_bob.sign_in(bob)
    act(sign_in, "deny")

    assert [browser.is_signed_in() for browser in (denied, other, of_bob)] == [False, True, True]


def test_who_was_signed_out_can_sign_in_again(alice: User, settings: Settings) -> None:
    settings.LOGINWATCH_ENFORCE = "enforce"
    browser = Browser()
    act(browser.sign_in(alice), "deny")
    browser.sign_in(alice)

    assert browser.is_signed_in()


def test_a_change_of_password_in_between_does_not_save_the_session(alice: User, settings: Settings) -> None:
    """Whoever came in with a stolen password would do just that."""
    settings.LOGINWATCH_ENFORCE = "enforce"
    thief = Browser(ip=ELSEWHERE)
    sign_in = thief.sign_in(alice)
    new = "another-horse-battery"
    thief.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert thief.is_signed_in()
    # As the step does: the sign-in is read when the verdict is there.
    act(SignIn.objects.get(pk=sign_in.pk), "deny")

    assert not thief.is_signed_in()


def test_a_session_that_is_over_stays_over(alice: User, settings: Settings) -> None:
    settings.LOGINWATCH_ENFORCE = "enforce"
    browser = Browser()
    sign_in = browser.sign_in(alice)
    browser.post("/accounts/logout/", {})

    assert act(sign_in, "deny").action == Action.SESSION_ENDED


def test_a_verdict_is_acted_on_once_and_the_first_one_holds(alice: User, settings: Settings) -> None:
    settings.LOGINWATCH_ENFORCE = "enforce"
    sign_in = Browser().sign_in(alice)

    first = act(sign_in, "challenge")
    second = act(sign_in, "deny")

    assert first == second == Verdict.objects.get()
    assert second.action == Action.FLAGGED
    assert events_of(sign_in) == [Kind.RISK_FLAGGED]


def test_the_operators_hear_of_it_in_the_log(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    sign_in = Browser().sign_in(alice)
    with caplog.at_level(logging.WARNING, logger="accounts.verdicts"):
        act(sign_in, "deny")
        act(sign_in, "deny")

    assert caplog.messages == [f"sign-in {sign_in.pk}: the risk service says deny (90)"]


def test_the_events_say_what_was_decided(alice: User) -> None:
    sign_in = Browser().sign_in(alice)
    act(sign_in, "deny")

    event = SecurityEvent.objects.get()
    assert (event.user, event.ip_address) == (alice, sign_in.ip_address)
    assert event.details == {"verdict": "deny", "score": 90}


@pytest.mark.parametrize(
    ("policy", "enforce", "done", "kinds"),
    [
        ("allow", "enforce", "allow", {"risk_unavailable"}),
        ("flag", "enforce", "flag", {"risk_unavailable", "risk_flagged"}),
        ("end_session", "report", "flag", {"risk_unavailable", "risk_flagged"}),
        ("end_session", "enforce", "end_session", {"risk_unavailable", "risk_flagged", "session_ended"}),
    ],
)
def test_without_a_verdict_the_sites_policy_is_followed_once(
    alice: User, settings: Settings, policy: str, enforce: str, done: str, kinds: set[str]
) -> None:
    sign_in = Browser().sign_in(alice)
    settings.LOGINWATCH_NO_VERDICT, settings.LOGINWATCH_ENFORCE = policy, enforce

    for _ in range(2):
        with transaction.atomic():
            assert verdicts.act_without_assessment(sign_in, "503") == done

    assert sorted(events_of(sign_in)) == sorted(kinds)
    assert Session.objects.filter(session_key=sign_in.session_key).exists() == (done != "end_session")
