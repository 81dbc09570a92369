"""What the ledger keeps of attempts that did not do a step, and how it numbers them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery import Task
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from accounts.models import User
from workflows import follow_ups, ledger, password_change, periodic, runs, tasks
from workflows.ledger import Result, TryAgain
from workflows.models import Run, Step
from workflows.steps import Name

HINDRANCES = [OperationalError("deadlock detected"), InterfaceError("closed"), SoftTimeLimitExceeded()]


def step_of(run: Run, name: str) -> Step:
    return run.steps.get(name=name)


def noted(run: Run, name: str) -> list[tuple[int, str]]:
    return list(step_of(run, name).failed_attempts.values_list("number", "outcome"))


def end_the_lease(run: Run, name: str) -> None:
    """As if the time had passed."""
    run.steps.filter(name=name).update(leased_until=timezone.now())


def hindered_by(error: Exception) -> object:
    def act(step: Step) -> Result:
        raise error

    return act


def do(step: Step) -> Result:
    return {}


def attempt(run: Run, name: str, act: object) -> Result:
    """As a step of its kind: save_event is all in the database, notify_user talks to the outside."""
    if name == Name.SAVE_EVENT:
        return ledger.in_database(run.pk, name, act)  # type: ignore[arg-type]
    return ledger.outside(run.pk, name, act, lease=ledger.LEASE)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", HINDRANCES)
@pytest.mark.parametrize("name", [Name.SAVE_EVENT, Name.NOTIFY_USER])
def test_a_hindered_attempt_is_put_off_and_the_next_has_the_next_number(run: Run, name: str, error: Exception) -> None:
    with pytest.raises(TryAgain) as again:
        attempt(run, name, hindered_by(error))
    (hindered,) = step_of(run, name).failed_attempts.all()
    assert (hindered.number, hindered.outcome) == (1, "hindered")
    assert hindered.error == again.value.reason
    assert hindered.next_at == step_of(run, name).leased_until

    end_the_lease(run, name)
    attempt(run, name, do)

    assert (step_of(run, name).state, step_of(run, name).attempts) == (Step.State.SUCCEEDED, 2)
    assert noted(run, name) == [(1, "hindered")]


@pytest.mark.parametrize("name", [Name.SAVE_EVENT, Name.NOTIFY_USER])
def test_a_step_that_asks_to_be_tried_again_is_when_it_asked_and_nothing_is_left_of_its_attempt(
    run: Run, name: str
) -> None:
    def act(step: Step) -> Result:
        if name == Name.SAVE_EVENT:
            User.objects.update(last_name="half done")
        raise TryAgain("not yet", delay=3600)

    with pytest.raises(TryAgain):
        attempt(run, name, act)

    step = step_of(run, name)
    assert (step.state, step.attempts, step.error) == (Step.State.RETRYING, 1, "not yet")
    assert noted(run, name) == [(1, "put_off")]
    assert step.leased_until and step.leased_until > timezone.now() + timedelta(seconds=3500)
    run.refresh_from_db()
    assert (run.state, run.recover_at) == (Run.State.RETRYING, step.leased_until + runs.STALLED)
    assert not User.objects.filter(last_name="half done").exists()


def test_an_error_in_a_transaction_counts_as_an_attempt_though_it_was_rolled_back(run: Run) -> None:
    with pytest.raises(ZeroDivisionError):
        ledger.in_database(run.pk, Name.SAVE_EVENT, lambda step: {"event": 1 // 0})
    ledger.fail_step(run.pk, Name.SAVE_EVENT, "ZeroDivisionError")

    assert (step_of(run, Name.SAVE_EVENT).attempts, noted(run, Name.SAVE_EVENT)) == (1, [(1, "failed")])


def test_an_error_outside_ends_the_attempt_that_was_claimed(run: Run) -> None:
    with pytest.raises(ZeroDivisionError):
        ledger.outside(run.pk, Name.NOTIFY_USER, lambda step: {"notice": 1 // 0}, lease=ledger.LEASE)
    ledger.fail_step(run.pk, Name.NOTIFY_USER, "ZeroDivisionError")

    assert (step_of(run, Name.NOTIFY_USER).attempts, noted(run, Name.NOTIFY_USER)) == (1, [(1, "failed")])


def be_killed(run: Run) -> None:
    """In the midst of an attempt outside, whose lease is over by now."""
    with pytest.raises(KeyboardInterrupt):
        ledger.outside(run.pk, Name.NOTIFY_USER, _interrupted, lease=timedelta(0))


def _interrupted(step: Step) -> Result:
    raise KeyboardInterrupt


def test_recovery_notes_the_attempt_whose_process_was_killed(run: Run) -> None:
    be_killed(run)

    ledger.may_go_on([run.pk])

    step = step_of(run, Name.NOTIFY_USER)
    assert (step.state, step.attempts, step.cut_off) == (Step.State.WAITING, 1, 1)
    assert noted(run, Name.NOTIFY_USER) == [(1, "killed")]


def test_who_takes_the_step_over_before_recovery_notes_it_too(run: Run) -> None:
    be_killed(run)

    ledger.outside(run.pk, Name.NOTIFY_USER, do, lease=ledger.LEASE)

    step = step_of(run, Name.NOTIFY_USER)
    assert (step.state, step.attempts, step.cut_off) == (Step.State.SUCCEEDED, 2, 1)
    assert noted(run, Name.NOTIFY_USER) == [(1, "killed")]


def test_giving_a_step_up_is_no_attempt(run: Run) -> None:
    for _ in range(ledger.MOST_CUT_OFF):
        be_killed(run)
    ledger.may_go_on([run.pk])

    step = step_of(run, Name.NOTIFY_USER)
    assert (step.state, step.attempts) == (Step.State.FAILED, ledger.MOST_CUT_OFF)
    assert noted(run, Name.NOTIFY_USER) == [(number + 1, "killed") for number in range(ledger.MOST_CUT_OFF)]
    assert "killed 5 times" in step.error


def test_a_step_that_was_given_up_is_tried_as_often_once_a_person_has_it_go_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MOST_HINDRANCES", 2)
    act = hindered_by(OperationalError("deadlock detected"))

    for _ in range(2):
        with pytest.raises(TryAgain):
            ledger.in_database(run.pk, Name.SAVE_EVENT, act)  # type: ignore[arg-type]
        end_the_lease(run, Name.SAVE_EVENT)
        with pytest.raises(ledger.GaveUp, match="2 times"):
            ledger.in_database(run.pk, Name.SAVE_EVENT, act)  # type: ignore[arg-type]
        ledger.fail_step(run.pk, Name.SAVE_EVENT, "GaveUp")
        runs.reopen_failed_runs()

    assert noted(run, Name.SAVE_EVENT) == [(1, "hindered"), (2, "failed"), (3, "hindered"), (4, "failed")]


def test_a_step_that_asked_often_is_not_given_up_as_the_database_hinders_it_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(step: Step) -> Result:
        raise TryAgain("not yet", delay=10)

    monkeypatch.setattr(ledger, "MOST_HINDRANCES", 2)
    for act in (ask, ask, ask, hindered_by(OperationalError("deadlock detected"))):
        with pytest.raises(TryAgain):
            ledger.in_database(run.pk, Name.SAVE_EVENT, act)  # type: ignore[arg-type]
        end_the_lease(run, Name.SAVE_EVENT)

    assert [outcome for _, outcome in noted(run, Name.SAVE_EVENT)] == ["put_off", "put_off", "put_off", "hindered"]


@pytest.mark.parametrize(
    "task",
    [
        tasks.notify_user,
        password_change.notify_user,
        follow_ups.follow_up,
        periodic.deliver_notices,
        periodic.tell_operators,
    ],
    ids=lambda task: task.name,
)
def test_a_mail_server_that_is_silent_when_the_time_is_up_has_time_to_part(task: Task[Any, Any]) -> None:
    soft, hard = task.soft_time_limit, task.time_limit
    assert soft is not None and hard is not None

    assert soft + settings.EMAIL_TIMEOUT < hard
