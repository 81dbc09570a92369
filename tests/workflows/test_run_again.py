"""What a run that has ended left out is done after all, where an operator wants it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from django.core import mail
from django.db import connection, transaction
from django.utils import timezone
from django_celery_results.models import TaskResult
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts import follow_ups, notices
from accounts.models import Notice, SecurityEvent, User
from tests.workflows.celery_rows import store
from tests.workflows.doing import second_device_run as second_device_run  # the fixture
from tests.workflows.error_calls import call
from tests.workflows.past import let_pass
from workflows import ledger, publishing, runs, steps
from workflows.alerting.stuck import stuck_runs
from workflows.callbacks import Level, note_call
from workflows.models import Run, Step
from workflows.steering.actions import Action, AtIt, Refused, steer
from workflows.step_tasks import on_chain_error
from workflows.steps import Name

RunAgain = Callable[[Run], None]


@pytest.fixture
def carol(make_user: Callable[..., User]) -> User:
    return make_user("carol", is_staff=True)


@pytest.fixture
def run_again(carol: User) -> RunAgain:
    return lambda run: steer(run.pk, Action.RUN_AGAIN, by=carol)


def end(run: Run, state: Run.State = Run.State.SUCCEEDED, **left_out: Step.State) -> None:
    """All its steps are done, but those that are named."""
    run.steps.update(state=Step.State.SUCCEEDED, result={})
    for name, step_state in left_out.items():
        run.steps.filter(name=name).update(state=step_state)
    Run.objects.filter(pk=run.pk).update(state=state)


def waiting(run: Run) -> list[str]:
    return list(run.steps.filter(state=Step.State.WAITING).values_list("name", flat=True))


def noted() -> list[dict[str, object]]:
    events = SecurityEvent.objects.filter(kind=SecurityEvent.Kind.RUN_STEERED)
    return [event.details for event in events]


def test_what_was_left_out_is_done_and_what_comes_after_it(run: Run, run_again: RunAgain) -> None:
    for step in (steps.check_device, steps.notify_user, steps.save_event):
        step(run.pk)
    run.steps.filter(name=Name.POST_TO_RISK_API).update(state=Step.State.SKIPPED, result={"skipped": True})
    steps.post_process(run.pk)
    assert Run.objects.get(pk=run.pk).state == Run.State.SUCCEEDED

    run_again(run)

    assert Run.objects.get(pk=run.pk).state == Run.State.QUEUED
    assert waiting(run) == [Name.POST_TO_RISK_API, Name.POST_PROCESS]


@pytest.mark.parametrize("state", [Run.State.FAILED, Run.State.CANCELLED, Run.State.DEGRADED])
def test_it_is_noted_and_the_run_published_once(
    run: Run,
    run_again: RunAgain,
    carol: User,
    state: Run.State,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    published: list[UUID] = []
    monkeypatch.setattr(publishing, "publish", lambda run: published.append(run.pk))
    end(run, state, post_process=Step.State.FAILED)

    with django_capture_on_commit_callbacks(execute=True):
        run_again(run)

    assert published == [run.pk]
    by = {"id": carol.pk, "name": "carol"}
    assert noted() == [{"run": str(run.pk), "action": "run_again", "step": "", "by": by}]


def test_a_run_that_goes_on_and_one_of_which_every_step_is_done_are_left_alone(
    make_run: Callable[..., Run], run_again: RunAgain
) -> None:
    going, complete = make_run(), make_run()
    end(complete)

    with pytest.raises(Refused, match="has not ended"):
        run_again(going)
    with pytest.raises(Refused, match="nothing was left out"):
        run_again(complete)
    assert noted() == []


def test_a_run_of_an_unknown_kind_is_left_to_a_version_that_knows_it(run: Run, run_again: RunAgain) -> None:
    end(run, post_process=Step.State.SKIPPED)
    Run.objects.update(kind="of another version")

    with pytest.raises(Refused, match="does not know the workflow"):
        run_again(run)


def test_while_a_worker_is_still_at_a_member_of_its_group_it_is_not_run_again(run: Run, run_again: RunAgain) -> None:
    end(run, Run.State.FAILED, notify_user=Step.State.FAILED, save_event=Step.State.RUNNING)
    run.steps.filter(name=Name.SAVE_EVENT).update(leased_until=timezone.now() + timedelta(seconds=30))

    with pytest.raises(AtIt, match="A worker is at it"):
        run_again(run)
    assert (Run.objects.get().state, noted()) == (Run.State.FAILED, [])


def test_while_a_member_of_its_group_waits_to_be_tried_again_it_is_not_run_again(run: Run, run_again: RunAgain) -> None:
    end(run, Run.State.FAILED, notify_user=Step.State.FAILED, save_event=Step.State.RETRYING)
    at = timezone.now() + timedelta(hours=1)
    run.steps.filter(name=Name.SAVE_EVENT).update(leased_until=at)

    with pytest.raises(AtIt) as refusal:
        run_again(run)
    expected = f"A step is tried again at {at:%H:%M:%S} UTC: save the event. Look again when that has ended."
    assert str(refusal.value) == expected
    assert (Run.objects.get().state, noted()) == (Run.State.FAILED, [])


@pytest.mark.skipif(not connection.features.has_select_for_update_skip_locked, reason="a writer locks all there is")
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_has_locked_a_step_is_not_waited_for(
    transactional_db: None, run: Run, run_again: RunAgain
) -> None:
    end(run, Run.State.FAILED, notify_user=Step.State.FAILED, save_event=Step.State.WAITING)
    locked, told = threading.Event(), threading.Event()

    def be_at_it() -> None:
        with transaction.atomic():
            Step.objects.select_for_update().get(run=run, name=Name.SAVE_EVENT)
            locked.set()
            assert told.wait(10)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(be_at_it)
        assert locked.wait(10)
        with pytest.raises(AtIt):
            run_again(run)
        told.set()
        worker.result()


def test_it_is_as_young_as_that(run: Run, run_again: RunAgain) -> None:
    runs.cancel_run(run.pk)
    let_pass(run, timedelta(days=2))

    run_again(run)

    assert not stuck_runs(timezone.now()).exists()


def test_what_fails_then_is_another_failure(run: Run, run_again: RunAgain) -> None:
    ledger.fail_step(run.pk, Name.CHECK_DEVICE, "no")
    note_call(run.pk, Level.CHAIN, told=[Name.CHECK_DEVICE])

    run_again(run)
    ledger.fail_step(run.pk, Name.CHECK_DEVICE, "no")
    note_call(run.pk, Level.CHAIN, told=[Name.CHECK_DEVICE])

    assert list(run.callback_calls.values_list("calls", flat=True)) == [1, 1]


def test_of_what_is_done_again_celery_has_no_result_until_it_is_done(run: Run, run_again: RunAgain) -> None:
    end(run, notify_user=Step.State.SKIPPED)
    for step in run.steps.all():
        store(step, step.result)

    run_again(run)

    kept = {task_id.rpartition(".")[2] for task_id in TaskResult.objects.values_list("task_id", flat=True)}
    assert kept == {Name.CHECK_DEVICE, Name.SAVE_EVENT}


def test_it_counts_as_resumed(run: Run, run_again: RunAgain) -> None:
    """So its callbacks are noted anew, and it is not late from the day of its sign-in."""
    ledger.fail_step(run.pk, Name.CHECK_DEVICE, "a bug")
    failed_at = timezone.now()
    run_again(run)

    call(on_chain_error, run, Name.CHECK_DEVICE, sent_at=failed_at)

    assert Run.objects.get(pk=run.pk).resumed == 1
    assert list(run.callback_calls.values_list("reason", "resumed")) == [("failed", 0)]


@pytest.mark.usefixtures("risk")
@pytest.mark.parametrize("went_out", [True, False])
def test_a_mail_that_somebody_else_has_is_not_sent_again(
    second_device_run: Run, run_again: RunAgain, carol: User, went_out: bool
) -> None:
    """Skipped before it had a notice; then its verdict was against it, so that the person was told all the same."""
    run = second_device_run
    steps.check_device(run.pk)
    steer(run.pk, Action.SKIP, Name.NOTIFY_USER, by=carol)
    follow_ups.ask_about(run.sign_in, "<1@testserver>")
    if went_out:
        notices.deliver_due_notices()
    end(run, notify_user=Step.State.SKIPPED)
    before = list(Notice.objects.values())

    run_again(run)
    result = steps.notify_user(run.pk)

    assert result["notice"] == ("sent" if went_out else "handed_over")
    assert len(mail.outbox) == int(went_out)
    assert list(Notice.objects.values()) == before


@pytest.mark.skipif(not connection.features.has_select_for_update_skip_locked, reason="a writer locks all there is")
@pytest.mark.django_db(transaction=True)
def test_a_run_whose_mail_went_out_just_then_is_run_again(
    transactional_db: None, run: Run, run_again: RunAgain
) -> None:
    end(run, Run.State.DEGRADED, post_to_risk_api=Step.State.SKIPPED)
    Run.objects.filter(pk=run.pk).update(finished_at=timezone.now())
    Notice.objects.create(sign_in=run.sign_in, message_id="<1@testserver>", state=Notice.State.SENT)

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        run_again(run)
        mended = pool.submit(mend_degraded_runs_and_close)
        assert mended.result(10) == 0

    assert Run.objects.get().state == Run.State.QUEUED


def mend_degraded_runs_and_close() -> int:
    """In a thread, which has a connection of its own."""
    try:
        return runs.mend_degraded_runs()
    finally:
        connection.close()
