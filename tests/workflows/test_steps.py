"""The steps as plain functions: no Celery, a real database, a real HTTP service, a real mailbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.core import mail
from django.db import OperationalError
from django.utils import timezone

from accounts.models import SecurityEvent, Verdict
from tests.workflows.doing import ALL, ask, do_all, end_the_lease, raising, step_of
from tests.workflows.doing import second_device_run as second_device_run  # the fixture
from tests.workflows.risk_service import ALLOW, RiskService
from workflows import ledger, runs, steps
from workflows.ledger import StepClosed, StepTaken, TryAgain
from workflows.models import Run, Step
from workflows.risk import risk_api
from workflows.steps import Name

pytestmark = pytest.mark.usefixtures("risk")


def test_the_steps_in_turn_finish_the_run(run: Run) -> None:
    results = do_all(run)

    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED
    assert run.started_at is not None
    assert run.finished_at is not None
    assert results == [step.result for step in run.steps.all()]
    assert {step.state for step in run.steps.all()} == {Step.State.SUCCEEDED}
    assert {step.attempts for step in run.steps.all()} == {1}


def test_a_steps_result_is_small_facts(run: Run) -> None:
    check, notice, event, assessment, verdict = do_all(run)

    assert check["status"] == "new"
    assert check["reason"] == "first_device"
    assert notice == {"notice": "not_needed"}
    assert event == {"event": SecurityEvent.objects.get().pk, "recent_failures": 0}
    assert assessment == ALLOW
    assert verdict == {"verdict": Verdict.objects.get().pk, "decision": "allow", "action": "nothing"}


@pytest.mark.parametrize("step", ALL)
def test_a_step_that_is_done_returns_its_result_and_does_not_act_again(
    second_device_run: Run, risk: RiskService, step: Callable[[UUID], dict[str, Any]]
) -> None:
    results: dict[Callable[[UUID], dict[str, Any]], dict[str, Any]] = {}
    results |= zip(ALL, do_all(second_device_run), strict=True)
    asked, mailed, events = len(risk.requests), len(mail.outbox), SecurityEvent.objects.count()

    assert step(second_device_run.pk) == results[step]

    assert len(risk.requests) == asked
    assert len(mail.outbox) == mailed
    assert SecurityEvent.objects.count() == events
    assert {row.attempts for row in second_device_run.steps.all()} == {1}


def test_a_lease_is_longer_than_the_hard_time_limit_of_its_task() -> None:
    from workflows import tasks

    assert timedelta(seconds=tasks.notify_user.time_limit or 0) < ledger.LEASE
    assert timedelta(seconds=tasks.post_to_risk_api.time_limit or 0) < ledger.LEASE


def test_who_was_overtaken_while_it_waited_for_an_answer_notes_no_retry(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*args: object, **kwargs: object) -> dict[str, Any]:
        run.steps.filter(name=Name.POST_TO_RISK_API).update(attempts=2)
        raise risk_api.RiskApiAway("no answer")

    monkeypatch.setattr(risk_api, "assess", overtaken)

    with pytest.raises(TryAgain):
        ask(run)
    run.refresh_from_db()
    assert run.state == Run.State.RUNNING
    assert step_of(run, Name.POST_TO_RISK_API).state == Step.State.RUNNING


@pytest.mark.parametrize("text", ["no\x00thing", "half a character: \ud800"])
def test_a_step_fails_also_with_an_error_that_no_database_takes(run: Run, text: str) -> None:
    ledger.fail_step(run.pk, Name.SAVE_EVENT, text)

    run.refresh_from_db()
    assert run.state == Run.State.FAILED


def test_a_failure_that_is_told_late_changes_nothing_that_is_done(run: Run) -> None:
    do_all(run)

    ledger.fail_step(run.pk, Name.SAVE_EVENT, "killed after it was done")

    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED
    assert step_of(run, Name.SAVE_EVENT).state == Step.State.SUCCEEDED


def test_an_ended_run_is_not_ended_otherwise(run: Run) -> None:
    Run.objects.update(state=Run.State.CANCELLED)

    runs.fail_run(run.pk)
    runs.finish_run(run)

    run.refresh_from_db()
    assert run.state == Run.State.CANCELLED


def test_a_step_that_another_worker_holds_is_left_to_it(run: Run) -> None:
    until = timezone.now() + timedelta(seconds=20)
    run.steps.filter(name=Name.POST_TO_RISK_API).update(state=Step.State.RUNNING, attempts=1, leased_until=until)

    with pytest.raises(StepTaken) as taken:
        ask(run)

    assert taken.value.until == until


def test_a_step_whose_worker_died_is_done_once_its_lease_has_run_out(run: Run, risk: RiskService) -> None:
    run.steps.filter(name=Name.POST_TO_RISK_API).update(
        state=Step.State.RUNNING, attempts=1, leased_until=timezone.now() - timedelta(seconds=1)
    )
    assert ask(run) == ALLOW
    assert step_of(run, Name.POST_TO_RISK_API).attempts == 2


def test_who_lost_its_lease_while_acting_does_not_overwrite_the_other(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*args: object, **kwargs: object) -> dict[str, Any]:
        run.steps.filter(name=Name.POST_TO_RISK_API).update(
            state=Step.State.SUCCEEDED, attempts=2, result={"by": "the other"}
        )
        return dict(ALLOW)

    monkeypatch.setattr(risk_api, "assess", overtaken)

    with pytest.raises(StepTaken):
        ask(run)
    assert step_of(run, Name.POST_TO_RISK_API).result == {"by": "the other"}


@pytest.mark.parametrize("state", [Run.State.FAILED, Run.State.CANCELLED])
def test_a_run_that_has_ended_is_not_gone_on_with(run: Run, state: Run.State) -> None:
    Run.objects.update(state=state)

    with pytest.raises(StepClosed):
        steps.check_device(run.pk)
    assert step_of(run, Name.CHECK_DEVICE).state == Step.State.WAITING


def test_a_member_of_the_group_is_done_though_another_has_failed_and_no_step_behind_it(run: Run) -> None:
    """So that who is in the security log is no matter of which was first."""
    steps.check_device(run.pk)
    ledger.fail_step(run.pk, Name.NOTIFY_USER, "a bug")

    steps.save_event(run.pk)

    assert SecurityEvent.objects.filter(sign_in=run.sign_in, kind=SecurityEvent.Kind.SIGNED_IN).count() == 1
    with pytest.raises(StepClosed):
        steps.post_to_risk_api(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.FAILED


@pytest.mark.parametrize("hindrance", [SoftTimeLimitExceeded(), OperationalError("deadlock detected")])
def test_a_step_that_the_database_hinders_waits_and_is_not_taken_for_killed(run: Run, hindrance: Exception) -> None:
    def act(step: Step) -> dict[str, str]:
        raise hindrance

    with pytest.raises(TryAgain):
        ledger.in_database(run.pk, Name.SAVE_EVENT, act)

    step = step_of(run, Name.SAVE_EVENT)
    assert step.state == Step.State.RETRYING
    assert step.error
    assert step.leased_until


def test_a_step_that_is_hindered_each_time_fails_in_the_end(run: Run) -> None:
    def act(step: Step) -> dict[str, str]:
        raise SoftTimeLimitExceeded

    for _ in range(ledger.MOST_HINDRANCES - 1):
        with pytest.raises(TryAgain):
            ledger.in_database(run.pk, Name.SAVE_EVENT, act)
        end_the_lease(run, Name.SAVE_EVENT)

    with pytest.raises(ledger.GaveUp, match="30 times"):
        ledger.in_database(run.pk, Name.SAVE_EVENT, act)


def test_what_the_outside_took_is_noted_though_the_time_limit_comes_just_then(run: Run) -> None:
    limit = iter([SoftTimeLimitExceeded()])

    def note(step: Step, result: dict[str, str]) -> None:
        for each in limit:
            raise each

    ledger.outside(run.pk, Name.NOTIFY_USER, lambda step: {"notice": "sent"}, lease=ledger.LEASE, note=note)

    assert step_of(run, Name.NOTIFY_USER).state == Step.State.SUCCEEDED


def test_an_effect_and_its_done_are_one_transaction(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    steps.check_device(run.pk)
    monkeypatch.setattr("workflows.step_rows.complete", raising(RuntimeError("killed here")))

    with pytest.raises(RuntimeError):
        steps.save_event(run.pk)

    assert not SecurityEvent.objects.exists()
    assert step_of(run, Name.SAVE_EVENT).state == Step.State.WAITING
