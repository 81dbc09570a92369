"""Error callbacks that nobody called, or whose call was lost, are called again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from celery import Signature
from django.core.cache import cache
from django.db.models import F
from django.utils import timezone

from accounts.models import SecurityEvent
from workflows import ledger, missed_calls, publishing, runs
from workflows.callbacks import Level, note_call
from workflows.canvas import error_callbacks
from workflows.models import CallbackCall, Run, Step
from workflows.sign_in import sign_in_canvas
from workflows.steps import Name

Published = list[tuple[str, str]]


@pytest.fixture
def published(db: None, monkeypatch: pytest.MonkeyPatch) -> Published:
    """The callbacks that were handed to the broker, which takes them and delivers none, by task and step."""
    cache.delete(missed_calls.CLAIM)
    taken: Published = []

    def take(errbacks: Iterable[tuple[Signature, str]]) -> int:
        new = [(str(errback.task).rpartition(".")[2], task_id.rpartition(".")[2]) for errback, task_id in errbacks]
        taken.extend(new)
        return len(new)

    monkeypatch.setattr(publishing, "publish_error_callbacks", take)
    return taken


def fail(run: Run, name: str, ago: timedelta = missed_calls.PATIENCE) -> None:
    ledger.fail_step(run.pk, name, "no")
    run.steps.filter(name=name).update(finished_at=F("finished_at") - ago - timedelta(seconds=1))


def test_what_nobody_called_for_a_failed_step_is_called(run: Run, published: Published) -> None:
    fail(run, Name.POST_TO_RISK_API)

    assert missed_calls.make_up_missed_calls() == 2
    assert sorted(published) == [("on_chain_error", Name.POST_TO_RISK_API), ("on_risk_error", Name.POST_TO_RISK_API)]


def test_what_is_noted_is_not_called_again(run: Run, published: Published) -> None:
    fail(run, Name.POST_TO_RISK_API)
    note_call(run.pk, Level.CHAIN, [Name.POST_TO_RISK_API])

    assert missed_calls.make_up_missed_calls() == 1
    assert published == [("on_risk_error", Name.POST_TO_RISK_API)]


@pytest.mark.parametrize("name", list(Name))
def test_where_celery_called_all_nothing_is_called(run: Run, published: Published, name: str) -> None:
    fail(run, name)
    for level in error_callbacks(sign_in_canvas(str(run.pk)), name):
        note_call(run.pk, Level(level), [name])

    assert missed_calls.make_up_missed_calls() == 0


def test_a_step_that_recovery_gave_up_has_its_callbacks_called(run: Run, published: Published) -> None:
    ledger.give_up_step(run.pk, Name.POST_TO_RISK_API, "its process was killed 5 times")
    run.steps.update(finished_at=timezone.now() - timedelta(minutes=1))

    assert missed_calls.make_up_missed_calls() == 2


@pytest.mark.parametrize("ago", [-missed_calls.PATIENCE, missed_calls.LATELY])
def test_celery_has_its_time_and_after_days_nothing_is_called(run: Run, published: Published, ago: timedelta) -> None:
    fail(run, Name.CHECK_DEVICE, ago)

    assert missed_calls.make_up_missed_calls() == 0


def test_a_call_that_is_on_its_way_is_not_made_up_meanwhile(run: Run, published: Published) -> None:
    fail(run, Name.CHECK_DEVICE)

    assert [missed_calls.make_up_missed_calls() for _ in range(2)] == [1, 0]
    cache.delete(missed_calls.CLAIM)  # as it is after PATIENCE
    assert missed_calls.make_up_missed_calls() == 1


def test_a_run_that_goes_on_again_has_nothing_called(run: Run, published: Published) -> None:
    fail(run, Name.CHECK_DEVICE)
    runs.reopen_failed_runs()

    assert missed_calls.make_up_missed_calls() == 0


def test_a_run_that_failed_again_has_its_callbacks_called_again(run: Run, published: Published) -> None:
    fail(run, Name.CHECK_DEVICE)
    note_call(run.pk, Level.CHAIN, [Name.CHECK_DEVICE])
    runs.reopen_failed_runs()
    fail(run, Name.CHECK_DEVICE)

    assert missed_calls.make_up_missed_calls() == 1


def test_a_kind_of_run_that_is_no_more_has_nothing_called(run: Run, published: Published) -> None:
    fail(run, Name.CHECK_DEVICE)
    Run.objects.update(kind="long gone")

    assert missed_calls.make_up_missed_calls() == 0


def test_a_broker_that_is_away_is_asked_later(run: Run) -> None:
    cache.delete(missed_calls.CLAIM)
    fail(run, Name.CHECK_DEVICE)

    assert missed_calls.make_up_missed_calls() == 0
    assert Step.objects.filter(state=Step.State.FAILED).exists()
    assert not CallbackCall.objects.exists()
    assert not SecurityEvent.objects.exists()
