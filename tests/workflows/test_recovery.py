"""Which runs recovery publishes again, and which it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from celery.exceptions import Ignore
from django.core.management import call_command
from django.utils import timezone

from tests.workflows.conftest import make_run as make_run  # the fixture
from workflows import ledger, publishing, runs, steps, tasks
from workflows.models import Run, Step
from workflows.recovery import recover_runs


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The runs that were handed to the broker, which takes them all."""
    taken: list[UUID] = []

    def publish(run_id: UUID) -> bool:
        taken.append(run_id)
        runs.mark_published(run_id)
        return True

    monkeypatch.setattr(publishing, "publish", publish)
    return taken


@pytest.fixture
def due(make_run: Callable[..., Run]) -> Run:
    run = make_run()
    Run.objects.filter(pk=run.pk).update(recover_at=timezone.now())
    return run


def test_a_run_that_is_due_is_published(due: Run, published: list[UUID]) -> None:
    assert recover_runs() == 1
    assert published == [due.pk]


def test_a_run_that_was_just_made_is_left_to_its_request(run: Run, published: list[UUID]) -> None:
    assert recover_runs() == 0
    assert published == []


def test_a_run_that_was_just_recovered_is_left_alone(due: Run, published: list[UUID]) -> None:
    assert [recover_runs(), recover_runs()] == [1, 0]


@pytest.mark.parametrize("state", [state for state in Run.State if state not in Run.UNFINISHED])
def test_a_run_that_has_ended_is_left_alone(due: Run, published: list[UUID], state: Run.State) -> None:
    Run.objects.update(state=state)

    assert recover_runs(everything=True) == 0


def test_everything_means_also_what_is_not_due(run: Run, published: list[UUID]) -> None:
    assert recover_runs(everything=True) == 1


def test_recoverys_patience_doubles_so_a_backlog_is_not_made_worse(run: Run) -> None:
    waits = []
    for _ in range(50):
        runs.mark_published(run.pk)
        run.refresh_from_db()
        waits.append(round((run.recover_at - timezone.now()) / timedelta(seconds=1)))

    assert waits[:5] == [30, 60, 120, 240, 480]
    assert waits[-1] == 3600


def test_a_broker_that_does_not_take_one_is_not_asked_for_the_others(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[UUID] = []

    def refuse(run_id: UUID) -> bool:
        asked.append(run_id)
        return False

    monkeypatch.setattr(publishing, "publish", refuse)
    for _ in range(3):
        make_run()

    assert recover_runs(everything=True) == 0
    assert len(asked) == 1


def test_of_two_recoveries_at_once_one_publishes_the_run(due: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[UUID] = []

    def publish_while_another_recovers(run_id: UUID) -> bool:
        published.append(run_id)
        assert recover_runs() == 0
        return True

    monkeypatch.setattr(publishing, "publish", publish_while_another_recovers)

    assert recover_runs() == 1
    assert published == [due.pk]


def test_the_command_says_how_many(due: Run, published: list[UUID], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("recover")

    assert "1" in capsys.readouterr().out


def test_a_step_whose_process_is_killed_each_time_fails_the_run_in_the_end(due: Run, published: list[UUID]) -> None:
    for _ in range(ledger.MOST_CUT_OFF):
        due.steps.filter(name=Step.Name.CHECK_DEVICE).update(state=Step.State.RUNNING)
        Run.objects.update(recover_at=timezone.now())
        recover_runs()

    due.refresh_from_db()
    assert due.state == Run.State.FAILED
    assert "killed 5 times" in due.steps.get(name=Step.Name.CHECK_DEVICE).error


def test_a_step_that_another_worker_holds_is_not_counted_as_killed(due: Run, published: list[UUID]) -> None:
    until = timezone.now() + timedelta(minutes=1)
    due.steps.filter(name=Step.Name.NOTIFY_USER).update(state=Step.State.RUNNING, leased_until=until)

    recover_runs()

    assert due.steps.get(name=Step.Name.NOTIFY_USER).cut_off == 0


def test_a_failed_run_is_gone_on_with_on_request_from_the_step_that_failed(due: Run, published: list[UUID]) -> None:
    steps.check_device(due.pk)
    ledger.fail_step(due.pk, Step.Name.SAVE_EVENT, "the disk was full")
    assert recover_runs() == 0

    call_command("recover", "--failed")

    due.refresh_from_db()
    assert due.state == Run.State.QUEUED
    assert published == [due.pk]
    assert [step.state for step in due.steps.all()][:3] == ["succeeded", "waiting", "waiting"]


def test_a_run_whose_step_failed_while_nobody_could_say_so_of_the_run_is_ended(due: Run) -> None:
    due.steps.filter(name=Step.Name.SAVE_EVENT).update(state=Step.State.FAILED)

    with pytest.raises(Ignore):
        tasks.save_event(str(due.pk))

    due.refresh_from_db()
    assert due.state == Run.State.FAILED
