"""Runs of no sign-in go as old sign-ins do, with what they are about and all that hangs on them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts import notices, password_changes
from accounts.models import Notice, PasswordChange, SecurityEvent, User
from tests.workflows.old_runs import KEPT, LONG_AGO, ago, prune
from tests.workflows.password_changes import MakeChange, change_of
from tests.workflows.password_changes import make_change as make_change  # the fixture
from workflows import retention, runs
from workflows.alerting.alerts import raise_alert
from workflows.models import Alert, Attempt, CallbackCall, Run, Step

MakeOld = Callable[..., Run]
ROWS = {
    "accounts.PasswordChange": 1,
    "accounts.Notice": 1,
    "accounts.SecurityEvent": 2,
    "workflows.Run": 1,
    "workflows.Step": 4,
    "workflows.Attempt": 1,
    "workflows.CallbackCall": 1,
    "workflows.Alert": 1,
}


@pytest.fixture
def make_old(make_change: MakeChange, settings: Settings) -> MakeOld:
    """Makes a run of a password change so many days ago, in which everything has happened that can."""
    settings.RETENTION_SIGN_INS_DAYS = KEPT
    settings.RETENTION_FAILED_SIGN_INS_DAYS = 1

    def make(days: float = LONG_AGO, state: Run.State = Run.State.SUCCEEDED) -> Run:
        run = make_change(created_at=ago(days))
        password_changes.log_change(change_of(run))
        password_changes.end_other_sessions(change_of(run))
        SecurityEvent.objects.update(created_at=ago(days))
        notices.claim_notice(change_of(run), f"<{run.pk}>")
        step = run.steps.earliest("pk")
        Attempt.objects.create(step=step, number=1, outcome="killed", began_at=ago(days), ended_at=ago(days))
        CallbackCall.objects.create(run=run, level="chain", reason="failed")
        raise_alert(Alert.Kind.RUN_FAILED, "an error", run.pk)
        Run.objects.filter(pk=run.pk).update(state=state, created_at=ago(days))
        return run

    return make


@pytest.mark.parametrize("state", [state for state in Run.State if state not in Run.UNFINISHED])
def test_it_goes_with_all_that_hangs_on_it_however_it_ended(make_old: MakeOld, state: Run.State) -> None:
    make_old(state=state)

    assert retention.count_due() == ROWS
    assert prune() == ROWS
    models = (PasswordChange, Notice, SecurityEvent, Run, Step, Attempt, CallbackCall, Alert)
    assert not any(model._default_manager.exists() for model in models)


@pytest.mark.parametrize("state", Run.UNFINISHED)
def test_one_that_has_not_ended_stays(make_old: MakeOld, state: Run.State) -> None:
    make_old(state=state)

    assert not retention.count_due()
    assert not prune()


def test_one_that_is_not_old_enough_stays_with_its_events_though_failed_sign_ins_go_sooner(make_old: MakeOld) -> None:
    make_old(days=KEPT - 1)

    assert not prune()
    assert SecurityEvent.objects.count() == 2


def test_for_ever(make_old: MakeOld, settings: Settings) -> None:
    make_old()
    settings.RETENTION_SIGN_INS_DAYS = 0

    assert not prune()


def test_the_oldest_go_first_a_batch_a_transaction(make_old: MakeOld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    younger = make_old()
    for _ in range(2):
        make_old(LONG_AGO + 1)

    assert retention._delete_other_runs() == {table: 2 * rows for table, rows in ROWS.items()}
    assert Run.objects.get() == younger


def test_a_run_that_is_about_nothing_else_goes_alone(alice: User, make_old: MakeOld) -> None:
    kept = make_old(days=1)
    run = runs.create_run_of("password_change", alice, something="else")
    Run.objects.filter(pk=run.pk).update(state=Run.State.SUCCEEDED, created_at=ago(LONG_AGO))

    assert prune() == {"workflows.Run": 1, "workflows.Step": 4}
    assert Run.objects.get() == kept


def test_a_person_is_deleted_with_it(alice: User, make_old: MakeOld) -> None:
    make_old()

    alice.delete()

    assert not Run.objects.exists() and not PasswordChange.objects.exists() and not SecurityEvent.objects.exists()


def test_an_event_of_nothing_goes_as_a_failed_sign_in_does(make_old: MakeOld) -> None:
    make_old(days=2)
    SecurityEvent.objects.create(kind=SecurityEvent.Kind.SIGN_IN_FAILED, created_at=ago(2))
    SecurityEvent.objects.create(kind=SecurityEvent.Kind.SIGN_IN_FAILED, created_at=timezone.now())

    assert prune() == {"accounts.SecurityEvent": 1}
