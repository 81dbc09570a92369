"""The audit sees each thing that can go wrong; an audit that cannot fail would be worth nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Device, SecurityEvent, SignIn, User, Verdict
from loginwatch.chaos.audit import Audit, Flaw
from loginwatch.chaos.evidence import Effect
from tests.chaos.aftermath import ALLOW, DENY, Aftermath, answered
from workflows.models import Run
from workflows.runs import create_run_of

Spoil = Callable[[Aftermath], object]
Kind = SecurityEvent.Kind


@pytest.fixture(autouse=True)
def _enforce(settings: Settings) -> None:
    settings.LOGINWATCH_ENFORCE = "enforce"


@pytest.fixture
def aftermath(alice: User, tmp_path: Path) -> Iterator[Aftermath]:
    with closing(Aftermath(alice, tmp_path)) as aftermath:
        yield aftermath


@pytest.fixture
def plain_aftermath(alice: User, tmp_path: Path) -> Iterator[Aftermath]:
    with closing(Aftermath(alice, tmp_path, plain=True)) as aftermath:
        yield aftermath


def flaws(found: Audit) -> dict[str, list[Flaw]]:
    kinds = {"lost": found.lost, "missing": found.missing, "doubled": found.doubled}
    return {name: list(flaws) for name, flaws in kinds.items() if flaws}


def test_where_nothing_is_wrong_nothing_is_found(aftermath: Aftermath) -> None:
    found = aftermath.audit()

    assert flaws(found) == {}
    assert found.sign_ins == 2
    assert found.mails_doubled == 0


def test_the_notice_of_another_workflow_is_no_sign_ins_but_goes_to_its_person_alone(
    aftermath: Aftermath, bob: User
) -> None:
    run = create_run_of("password_change", aftermath.user, password_change=0)
    aftermath.receive(f"<{run.pk}.notify_user@testserver>")
    assert flaws(aftermath.audit()) == {}

    SignIn.objects.filter(pk=aftermath.first.pk).update(user=bob)
    aftermath.receive(f"<{run.pk}.notify_user@testserver>", recipient=bob.email)
    assert Flaw(None, Effect.MAIL) in flaws(aftermath.audit())["doubled"]


def test_the_denied_sign_in_has_every_effect_there_is(aftermath: Aftermath) -> None:
    for model in (SecurityEvent, Verdict, Device):
        model.objects.all().delete()
    SignIn.objects.update(device=None)
    aftermath.mails.clear()
    for sign_in in (aftermath.first, aftermath.second):
        aftermath.forget_assessment(sign_in)

    missing = {flaw.what for flaw in aftermath.audit().missing}

    # What follows from a verdict is not known without one.
    assert missing == set(Effect) - {Effect.FLAG, Effect.SESSION_END}


@pytest.mark.parametrize("state", [Run.State.QUEUED, Run.State.RUNNING, Run.State.RETRYING, Run.State.FAILED])
def test_a_run_that_has_not_ended_well_is_lost(aftermath: Aftermath, state: Run.State) -> None:
    Run.objects.filter(sign_in=aftermath.second).update(state=state)

    assert flaws(aftermath.audit()) == {"lost": [Flaw(aftermath.second.pk, f"run {state}")]}


def test_a_degraded_run_whose_mail_went_out_is_not_lost(aftermath: Aftermath) -> None:
    Run.objects.filter(sign_in=aftermath.second).update(state=Run.State.DEGRADED)

    assert flaws(aftermath.audit()) == {}


def test_a_sign_in_without_a_run_is_lost(aftermath: Aftermath) -> None:
    Run.objects.filter(sign_in=aftermath.first).delete()

    assert Flaw(aftermath.first.pk, "no run") in aftermath.audit().lost


def test_a_sign_in_that_was_answered_and_is_not_recorded_is_lost(aftermath: Aftermath) -> None:
    aftermath.visits.append(answered("alice", "198.18.7.7"))

    [flaw] = aftermath.audit().lost
    assert "alice from 198.18.7.7" in flaw.what


def test_a_sign_in_whose_answer_was_lost_counts_all_the_same(aftermath: Aftermath) -> None:
    aftermath.visits.clear()
    Run.objects.update(state=Run.State.RUNNING)

    assert len(aftermath.audit().lost) == 2


MISSING: dict[Effect, list[Spoil]] = {
    Effect.RECOGNISED: [lambda it: SignIn.objects.filter(pk=it.second.pk).update(device=None)],
    Effect.DEVICE: [lambda it: Device.objects.filter(first_sign_in=it.second).delete()],
    Effect.EVENT: [lambda it: SecurityEvent.objects.filter(sign_in=it.second, kind=Kind.SIGNED_IN).delete()],
    Effect.FLAG: [lambda it: SecurityEvent.objects.filter(sign_in=it.second, kind=Kind.RISK_FLAGGED).delete()],
    Effect.SESSION_END: [
        lambda it: SecurityEvent.objects.filter(sign_in=it.second, kind=Kind.SESSION_ENDED).delete(),
        lambda it: SessionStore(it.second.session_key).save(must_create=True),
    ],
    Effect.MAIL: [
        lambda it: it.mails.clear(),
    ],
    Effect.ASSESSMENT: [lambda it: it.forget_assessment(it.second)],
    Effect.VERDICT: [
        lambda it: Verdict.objects.filter(sign_in=it.second).delete(),
        lambda it: Verdict.objects.filter(sign_in=it.second).update(assessment_id="made up"),
    ],
}


@pytest.mark.parametrize(("effect", "spoil"), [(effect, spoil) for effect in MISSING for spoil in MISSING[effect]])
def test_a_missing_effect_is_seen(aftermath: Aftermath, effect: Effect, spoil: Spoil) -> None:
    spoil(aftermath)

    assert Flaw(aftermath.second.pk, effect) in aftermath.audit().missing


def test_no_effect_is_left_out_of_these_tests() -> None:
    assert set(MISSING) == set(Effect)


def test_a_mail_to_another_person_is_missing_to_the_one_and_one_too_many(aftermath: Aftermath) -> None:
    aftermath.mails.clear()
    aftermath.receive(aftermath.message_id(aftermath.second), "bob@example.com")

    assert flaws(aftermath.audit()) == {
        "missing": [Flaw(aftermath.second.pk, Effect.MAIL)],
        "doubled": [Flaw(None, Effect.MAIL)],
    }


def second_mail(it: Aftermath) -> Flaw:
    it.receive(f"<{it.trace(it.second)}.another@testserver>")
    return Flaw(it.second.pk, Effect.MAIL)


def mail_that_is_not_wanted(it: Aftermath) -> Flaw:
    it.receive(it.message_id(it.first))
    return Flaw(it.first.pk, Effect.MAIL)


def mail_of_no_sign_in(it: Aftermath) -> Flaw:
    it.receive("<who-knows@testserver>")
    return Flaw(None, Effect.MAIL)


def second_assessment(it: Aftermath) -> Flaw:
    it.assess(f"{it.trace(it.second)}.another", DENY)
    return Flaw(it.second.pk, Effect.ASSESSMENT)


def assessment_of_no_sign_in(it: Aftermath) -> Flaw:
    it.assess("who-knows", ALLOW)
    return Flaw(None, Effect.ASSESSMENT)


def device_of_no_sign_in(it: Aftermath) -> Flaw:
    Device.objects.create(user=it.user, first_seen_at=timezone.now(), last_seen_at=timezone.now())
    return Flaw(None, Effect.DEVICE)


def device_of_a_known_one(it: Aftermath) -> Flaw:
    # Its mail is wanted all the same: it was denied.
    SignIn.objects.filter(pk=it.second.pk).update(device_status=SignIn.DeviceStatus.KNOWN)
    return Flaw(it.second.pk, Effect.DEVICE)


def event_of_no_sign_in(it: Aftermath) -> Flaw:
    SecurityEvent.objects.create(kind=Kind.SIGNED_IN, user=it.user)
    return Flaw(None, Effect.EVENT)


def flag_that_is_not_wanted(it: Aftermath) -> Flaw:
    SecurityEvent.objects.create(kind=Kind.RISK_FLAGGED, user=it.user, sign_in=it.first)
    return Flaw(it.first.pk, Effect.FLAG)


def session_end_that_is_not_wanted(it: Aftermath) -> Flaw:
    SecurityEvent.objects.create(kind=Kind.SESSION_ENDED, user=it.user, sign_in=it.first)
    SessionStore(it.first.session_key).delete()
    return Flaw(it.first.pk, Effect.SESSION_END)


@pytest.mark.parametrize(
    "double",
    [
        second_mail,
        mail_that_is_not_wanted,
        mail_of_no_sign_in,
        second_assessment,
        assessment_of_no_sign_in,
        device_of_no_sign_in,
        device_of_a_known_one,
        event_of_no_sign_in,
        flag_that_is_not_wanted,
        session_end_that_is_not_wanted,
    ],
)
def test_an_effect_too_many_is_seen(aftermath: Aftermath, double: Callable[[Aftermath], Flaw]) -> None:
    flaw = double(aftermath)

    assert flaws(aftermath.audit()) == {"doubled": [flaw]}


def test_a_mail_accepted_again_under_its_message_id_is_counted_by_itself(aftermath: Aftermath) -> None:
    for _ in range(2):
        aftermath.receive(aftermath.message_id(aftermath.second))

    found = aftermath.audit()

    assert flaws(found) == {}
    assert found.mails_doubled == 2


def test_mails_to_the_operators_are_not_looked_at(aftermath: Aftermath) -> None:
    aftermath.receive("<alert@testserver>", "operator@example.com")

    assert flaws(aftermath.audit()) == {}


def test_the_plain_canvas_is_judged_by_its_effects(plain_aftermath: Aftermath) -> None:
    assert flaws(plain_aftermath.audit()) == {}

    Verdict.objects.filter(sign_in=plain_aftermath.first).delete()

    assert flaws(plain_aftermath.audit()) == {
        "lost": [Flaw(plain_aftermath.first.pk, "no verdict")],
        "missing": [Flaw(plain_aftermath.first.pk, Effect.VERDICT)],
    }


def test_one_persons_sign_ins_are_not_taken_for_anothers(aftermath: Aftermath, bob: User) -> None:
    aftermath.visits.append(answered("bob", "198.18.0.1"))

    assert len(aftermath.audit().lost) == 1
