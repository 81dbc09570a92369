"""What an operator may do to a run, as plain functions. Through a real worker it is in tests/live."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import Notice, SecurityEvent, User
from tests.workflows.conftest import SAFARI
from tests.workflows.error_calls import call
from tests.workflows.risk_service import Answer, RiskService
from workflows import callbacks, ledger, publishing, recovery, runs, steps, tasks
from workflows.ledger import StepClosed, TryAgain
from workflows.models import Alert, Attempt, CallbackCall, Run, Step
from workflows.risk.risk_api import RiskApiRefused
from workflows.steering.actions import AT_IT, STEERABLE, Action, Refused, retry_waiting_steps, steer
from workflows.steps import Name

ASK = Name.POST_TO_RISK_API
ENDED = [state for state in Run.State if state not in STEERABLE]
# The act of a run that has ended is in test_run_again.py.
OTHERS = [action for action in Action if action is not Action.RUN_AGAIN]


@pytest.fixture
def carol(make_user: Callable[..., User]) -> User:
    return make_user("carol", is_staff=True)


@pytest.fixture
def failed(run: Run, risk: RiskService) -> Run:
    """The risk service refused it."""
    risk.answer = Answer(status=422, body=b"the version is wrong")
    up_to_asking(run)
    with pytest.raises(RiskApiRefused) as refusal:
        steps.post_to_risk_api(run.pk)
    ledger.fail_step(run.pk, ASK, str(refusal.value))
    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    return run


@pytest.fixture
def retrying(run: Run, risk: RiskService) -> Run:
    """The risk service is away, and shall be asked again in an hour."""
    risk.answer = Answer(status=503, headers={"Retry-After": "3600"})
    up_to_asking(run)
    with pytest.raises(TryAgain):
        steps.post_to_risk_api(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.RETRYING
    return run


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The runs that were handed to the broker."""
    taken: list[UUID] = []
    monkeypatch.setattr(publishing, "publish", lambda run: taken.append(run.pk))
    return taken


def up_to_asking(run: Run) -> None:
    for step in (steps.check_device, steps.notify_user, steps.save_event):
        step(run.pk)


def finish(run: Run) -> None:
    """What a worker does with what is left."""
    for step in (steps.check_device, steps.notify_user, steps.save_event, steps.post_to_risk_api, steps.post_process):
        step(run.pk)


def step_of(run: Run, name: str = ASK) -> Step:
    return run.steps.get(name=name)


def state_of(run: Run) -> str:
    run.refresh_from_db()
    return run.state


def refusal(run: Run, action: Action, step: str = "", *, by: User) -> str:
    with pytest.raises(Refused) as refused:
        steer(run.pk, action, step, by=by)
    return str(refused.value)


def noted() -> list[dict[str, object]]:
    events = SecurityEvent.objects.filter(kind=SecurityEvent.Kind.RUN_STEERED).order_by("pk")
    return [event.details for event in events]


# --- Resuming --------------------------------------------------------------------------------------------


def test_a_resumed_run_goes_on_from_the_step_that_failed(failed: Run, risk: RiskService, carol: User) -> None:
    risk.answer = Answer()
    steer(failed.pk, Action.RESUME, by=carol)
    assert state_of(failed) == Run.State.QUEUED

    finish(failed)

    assert state_of(failed) == Run.State.SUCCEEDED
    assert failed.resumed == 1
    assert {step.name: step.attempts for step in failed.steps.all()} == dict.fromkeys(Name, 1) | {ASK: 2}
    assert len({headers["Idempotency-Key"] for headers, _ in risk.requests}) == 1


def test_a_run_is_published_at_once_and_where_the_broker_is_away_recovery_does_it(
    failed: Run, carol: User, published: list[UUID], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        steer(failed.pk, Action.RESUME, by=carol)
    assert published == [failed.pk]

    failed.refresh_from_db()
    assert failed.published_at is None
    assert timezone.now() < failed.recover_at <= timezone.now() + runs.UNPUBLISHED


@pytest.mark.parametrize("action", [Action.RESUME, Action.SKIP])
def test_what_was_done_is_in_the_security_log(failed: Run, alice: User, carol: User, action: Action) -> None:
    step = "" if action is Action.RESUME else ASK
    steer(failed.pk, action, step, by=carol)

    event = SecurityEvent.objects.get(kind=SecurityEvent.Kind.RUN_STEERED)
    by = {"id": carol.pk, "name": "carol"}
    assert event.details == {"run": str(failed.pk), "action": action, "step": step, "by": by}
    assert (event.user, event.sign_in, event.ip_address) == (alice, None, None)


def test_a_run_may_be_resumed_as_often_as_it_fails_and_each_is_noted(failed: Run, carol: User) -> None:
    for _ in range(2):
        steer(failed.pk, Action.RESUME, by=carol)
        ledger.fail_step(failed.pk, ASK, "it still refuses")

    failed.refresh_from_db()
    assert (failed.state, failed.resumed, len(noted())) == (Run.State.FAILED, 2, 2)


def test_who_comes_second_is_told_that_the_run_was_resumed(failed: Run, carol: User) -> None:
    steer(failed.pk, Action.RESUME, by=carol)

    assert refusal(failed, Action.RESUME, by=carol) == "The run goes on already: somebody has resumed it."
    assert len(noted()) == 1


def test_a_run_that_has_not_failed_is_not_resumed(run: Run, carol: User) -> None:
    assert refusal(run, Action.RESUME, by=carol) == "The run has not failed: it is queued, and goes on by itself."
    assert noted() == []


# --- Trying again now ------------------------------------------------------------------------------------


def test_a_step_that_waits_for_its_retry_is_attempted_at_once(retrying: Run, risk: RiskService, carol: User) -> None:
    risk.answer = Answer()
    with pytest.raises(ledger.StepTaken):
        steps.post_to_risk_api(retrying.pk)

    steer(retrying.pk, Action.RETRY, ASK, by=carol)
    assert state_of(retrying) == Run.State.QUEUED
    assert retrying.recover_at <= timezone.now() + runs.UNPUBLISHED
    finish(retrying)

    assert state_of(retrying) == Run.State.SUCCEEDED
    assert step_of(retrying).attempts == 2


def test_who_comes_second_is_told_that_the_step_does_not_wait_any_more(retrying: Run, carol: User) -> None:
    steer(retrying.pk, Action.RETRY, ASK, by=carol)

    assert "does not wait to be tried again, or does so no longer" in refusal(retrying, Action.RETRY, ASK, by=carol)


def test_a_failed_run_is_to_be_resumed_instead(failed: Run, carol: User) -> None:
    assert "resume it" in refusal(failed, Action.RETRY, ASK, by=carol)


def test_a_run_that_waits_for_another_step_too_is_still_retrying(retrying: Run, carol: User) -> None:
    later = timezone.now() + timedelta(hours=1)
    retrying.steps.filter(name=Name.NOTIFY_USER).update(state=Step.State.RETRYING, leased_until=later)

    steer(retrying.pk, Action.RETRY, ASK, by=carol)
    assert state_of(retrying) == Run.State.RETRYING

    retry_waiting_steps(retrying.pk, by=carol)
    assert state_of(retrying) == Run.State.QUEUED


def test_of_a_run_without_a_retry_none_can_be_brought_forward(run: Run, carol: User) -> None:
    with pytest.raises(Refused, match="No step of the run waits"):
        retry_waiting_steps(run.pk, by=carol)


# --- Skipping --------------------------------------------------------------------------------------------


def test_a_failed_run_goes_on_without_the_step_that_failed(failed: Run, risk: RiskService, carol: User) -> None:
    asked = len(risk.requests)
    steer(failed.pk, Action.SKIP, ASK, by=carol)
    assert state_of(failed) == Run.State.QUEUED

    finish(failed)

    assert state_of(failed) == Run.State.SUCCEEDED
    assert (step_of(failed).state, step_of(failed).result) == (Step.State.SKIPPED, {"skipped": True})
    assert step_of(failed, Name.POST_PROCESS).result == {"verdict": None, "policy": "flag"}
    assert len(risk.requests) == asked
    kinds = set(SecurityEvent.objects.filter(sign_in=failed.sign_in).values_list("kind", flat=True))
    assert SecurityEvent.Kind.RISK_UNAVAILABLE in kinds


def test_a_step_that_waits_for_its_retry_may_be_skipped(retrying: Run, carol: User) -> None:
    steer(retrying.pk, Action.SKIP, ASK, by=carol)
    finish(retrying)

    assert state_of(retrying) == Run.State.SUCCEEDED


def test_a_step_that_was_not_reached_may_be_skipped(run: Run, risk: RiskService, carol: User) -> None:
    steer(run.pk, Action.SKIP, ASK, by=carol)
    finish(run)

    assert state_of(run) == Run.State.SUCCEEDED
    assert risk.requests == []


def test_what_else_failed_is_tried_again(failed: Run, carol: User) -> None:
    failed.steps.filter(name=Name.SAVE_EVENT).update(state=Step.State.FAILED)

    steer(failed.pk, Action.SKIP, ASK, by=carol)

    assert step_of(failed, Name.SAVE_EVENT).state == Step.State.WAITING


def test_a_skipped_notice_is_not_sent_later_and_the_run_says_that_it_was_not(
    make_run: Callable[..., Run], risk: RiskService, carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(make_run())
    run = make_run(user_agent=SAFARI)
    steps.check_device(run.pk)
    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", _away)
    with pytest.raises(TryAgain):
        steps.notify_user(run.pk)

    steer(run.pk, Action.SKIP, Name.NOTIFY_USER, by=carol)
    finish(run)

    assert state_of(run) == Run.State.DEGRADED
    assert Notice.objects.get().state == Notice.State.GIVEN_UP


def _away(*_: object) -> None:
    raise ConnectionRefusedError


@pytest.mark.parametrize("name", [Name.CHECK_DEVICE, Name.SAVE_EVENT, Name.POST_PROCESS])
def test_what_the_run_cannot_do_without_is_not_skipped(run: Run, carol: User, name: Name) -> None:
    assert refusal(run, Action.SKIP, name, by=carol) == "The run cannot go on without this step."


def test_a_step_that_is_done_or_skipped_is_not_skipped(run: Run, risk: RiskService, carol: User) -> None:
    up_to_asking(run)
    assert "is done" in refusal(run, Action.SKIP, Name.NOTIFY_USER, by=carol)

    steer(run.pk, Action.SKIP, ASK, by=carol)
    assert "skipped already" in refusal(run, Action.SKIP, ASK, by=carol)


def test_a_step_that_a_worker_is_at_is_not_skipped_and_its_result_counts(
    run: Run, risk: RiskService, carol: User
) -> None:
    up_to_asking(run)
    told: list[str] = []

    def act(step: Step) -> dict[str, int]:
        told.append(refusal(run, Action.SKIP, ASK, by=carol))
        return {"score": 1}

    ledger.outside(run.pk, ASK, act, lease=timedelta(minutes=1))

    assert told == [AT_IT]
    assert step_of(run).result == {"score": 1}


def test_a_step_whose_process_was_killed_may_be_skipped_and_the_attempt_is_told(
    run: Run, risk: RiskService, carol: User
) -> None:
    up_to_asking(run)
    over = timezone.now() - timedelta(seconds=1)
    run.steps.filter(name=ASK).update(state=Step.State.RUNNING, attempts=1, leased_until=over)

    steer(run.pk, Action.SKIP, ASK, by=carol)

    assert step_of(run).state == Step.State.SKIPPED
    assert Attempt.objects.get(step__run=run).outcome == Attempt.Outcome.KILLED


def test_an_attempt_that_was_only_thought_dead_does_not_undo_the_skip(run: Run, risk: RiskService, carol: User) -> None:
    up_to_asking(run)

    def act(step: Step) -> dict[str, int]:
        run.steps.filter(name=ASK).update(leased_until=timezone.now() - timedelta(seconds=1))
        steer(run.pk, Action.SKIP, ASK, by=carol)
        return {"score": 1}

    with pytest.raises(ledger.StepTaken):
        ledger.outside(run.pk, ASK, act, lease=timedelta(minutes=1))

    assert step_of(run).result == {"skipped": True}
    assert steps.post_to_risk_api(run.pk) == {"skipped": True}


def test_a_run_of_an_unknown_kind_can_only_be_cancelled(failed: Run, carol: User) -> None:
    Run.objects.update(kind="of another version")
    for action, step in [(Action.RESUME, ""), (Action.SKIP, ASK)]:
        assert "does not know the workflow" in refusal(failed, action, step, by=carol)

    steer(failed.pk, Action.CANCEL, by=carol)
    assert state_of(failed) == Run.State.CANCELLED


# --- Cancelling ------------------------------------------------------------------------------------------


def test_no_step_of_a_cancelled_run_begins(retrying: Run, carol: User) -> None:
    steer(retrying.pk, Action.CANCEL, by=carol)

    for name in (ASK, Name.POST_PROCESS):
        with pytest.raises(StepClosed):
            ledger.in_database(retrying.pk, name, lambda step: {})
    assert state_of(retrying) == Run.State.CANCELLED
    assert retrying.finished_at is not None
    assert (step_of(retrying).state, step_of(retrying).leased_until) == (Step.State.WAITING, None)


def test_a_step_that_is_being_attempted_may_finish_its_effect_and_the_run_stays_cancelled(
    run: Run, carol: User
) -> None:
    def act(step: Step) -> dict[str, bool]:
        steer(run.pk, Action.CANCEL, by=carol)
        return {"done": True}

    ledger.outside(run.pk, Name.NOTIFY_USER, act, lease=timedelta(minutes=1))

    assert step_of(run, Name.NOTIFY_USER).state == Step.State.SUCCEEDED
    assert state_of(run) == Run.State.CANCELLED


def test_a_step_that_ends_badly_after_that_neither_waits_nor_fails_the_run(run: Run, carol: User) -> None:
    def act(step: Step) -> dict[str, bool]:
        steer(run.pk, Action.CANCEL, by=carol)
        raise TryAgain("away", 60)

    with pytest.raises(TryAgain):
        ledger.outside(run.pk, Name.NOTIFY_USER, act, lease=timedelta(minutes=1))
    assert state_of(run) == Run.State.CANCELLED

    ledger.fail_step(run.pk, Name.NOTIFY_USER, "refused")
    assert state_of(run) == Run.State.CANCELLED
    assert not Alert.objects.exists()


def test_nobody_moves_a_cancelled_run(failed: Run, carol: User, monkeypatch: pytest.MonkeyPatch) -> None:
    steer(failed.pk, Action.CANCEL, by=carol)
    cancelled = Run.objects.filter(pk=failed.pk).values().get()

    runs.mark_running(failed.pk)
    runs.mark_retrying(failed.pk, timezone.now())
    runs.mark_interrupted(failed.pk, timezone.now())
    runs.mark_lost(timezone.now())
    runs.finish_run(failed)
    runs.fail_run(failed.pk)
    assert runs.reopen_failed_runs() == 0
    assert runs.hasten(failed.pk, timezone.now()) == 0
    assert runs.mend_degraded_runs() == 0
    assert ledger.may_go_on([failed.pk]) == []
    monkeypatch.setattr(recovery, "_look", lambda everything: {})
    assert recovery.recover_runs() == 0

    assert Run.objects.filter(pk=failed.pk).values().get() == cancelled


def test_error_callbacks_that_come_late_are_noted_and_do_nothing(failed: Run, carol: User) -> None:
    steer(failed.pk, Action.CANCEL, by=carol)
    before = SecurityEvent.objects.count()

    call(tasks.on_risk_error, failed, Name.POST_TO_RISK_API)
    callbacks.note_call(failed.pk, CallbackCall.Level.CHAIN, [Name.POST_TO_RISK_API])

    assert SecurityEvent.objects.count() == before
    assert CallbackCall.objects.filter(run=failed).count() == 2
    assert state_of(failed) == Run.State.CANCELLED


def test_a_mail_that_was_handed_over_is_not_sent_after_its_run_was_cancelled(run: Run, carol: User) -> None:
    notice = Notice.objects.create(sign_in=run.sign_in, message_id="<m>", state=Notice.State.HANDED_OVER)

    steer(run.pk, Action.CANCEL, by=carol)

    notice.refresh_from_db()
    assert (notice.state, notice.last_error) == (Notice.State.GIVEN_UP, "the run was cancelled")


# --- Refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", OTHERS)
@pytest.mark.parametrize("state", ENDED)
def test_a_run_that_has_ended_is_not_steered(run: Run, carol: User, action: Action, state: Run.State) -> None:
    Run.objects.update(state=state)
    step = ASK if action in (Action.RETRY, Action.SKIP) else ""

    told = refusal(run, action, step, by=carol)

    assert told.startswith("The run was cancelled" if state == Run.State.CANCELLED else "The run has ended")
    assert state_of(run) == state
    assert noted() == []


def test_a_run_that_is_gone_and_a_step_that_never_was_are_told_so(run: Run, carol: User) -> None:
    assert refusal(run, Action.SKIP, "no_such_step", by=carol) == "The run has no such step."
    run.delete()
    assert refusal(run, Action.CANCEL, by=carol) == "The run is not there any more."


# --- Two at once -----------------------------------------------------------------------------------------


def at_once(*acts: Callable[[], None]) -> list[str]:
    """What each is told, "" for who was not refused."""
    together = threading.Barrier(len(acts))

    def do(act: Callable[[], None]) -> str:
        try:
            together.wait(timeout=10)
            act()
        except Refused as refused:
            return str(refused)
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(do, acts))


@pytest.mark.parametrize(("action", "step"), [(Action.RESUME, ""), (Action.SKIP, ASK), (Action.CANCEL, "")])
@pytest.mark.django_db(transaction=True)
def test_of_two_operators_at_once_one_wins_and_the_other_is_told(
    transactional_db: None, failed: Run, carol: User, published: list[UUID], action: Action, step: str
) -> None:
    told = at_once(*[lambda: steer(failed.pk, action, step, by=carol)] * 4)

    assert sorted(bool(each) for each in told) == [False, True, True, True]
    assert len(noted()) == 1
    assert published == ([] if action is Action.CANCEL else [failed.pk])


@pytest.mark.django_db(transaction=True)
def test_of_one_who_resumes_and_one_who_cancels_the_run_ends_as_the_later_wants_it(
    transactional_db: None, failed: Run, carol: User, published: list[UUID]
) -> None:
    told = at_once(lambda: steer(failed.pk, Action.RESUME, by=carol), lambda: steer(failed.pk, Action.CANCEL, by=carol))

    assert told[1] == "" and (not told[0] or told[0].startswith("The run was cancelled."))
    assert state_of(failed) == Run.State.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_a_worker_and_an_operator_at_once_do_not_hinder_each_other(
    transactional_db: None, make_run: Callable[..., Run], risk: RiskService, carol: User, published: list[UUID]
) -> None:
    for _ in range(10):
        run = make_run()
        up_to_asking(run)

        told = at_once(
            lambda: _work(run.pk),  # noqa: B023  it is called within the loop
            lambda: steer(run.pk, Action.SKIP, ASK, by=carol),  # noqa: B023
            lambda: steer(run.pk, Action.CANCEL, by=carol),  # noqa: B023
        )

        step = step_of(run)
        assert told[0] == ""
        assert state_of(run) in (Run.State.CANCELLED, Run.State.SUCCEEDED)
        assert (step.state == Step.State.SKIPPED) == (told[1] == "")


@pytest.mark.django_db(transaction=True)
def test_a_late_message_of_what_failed_does_not_fail_the_run_that_is_resumed_just_then(
    transactional_db: None, failed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, resumed = threading.Event(), threading.Event()
    fail = runs.fail_run

    def fail_when_it_is_resumed(run_id: UUID) -> None:
        looked.set()
        resumed.wait(timeout=10)
        fail(run_id)

    def come_late() -> None:
        try:
            runs.fail_run_of_failed_step(failed.pk)
        finally:
            connection.close()

    monkeypatch.setattr(runs, "fail_run", fail_when_it_is_resumed)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            runs.reopen_failed_runs()
            late = pool.submit(come_late)
            looked.wait(timeout=1)  # it does not look before this is committed
        resumed.set()
        late.result(timeout=10)

    assert state_of(failed) == Run.State.QUEUED


def _work(run_id: UUID) -> None:
    try:
        steps.post_to_risk_api(run_id)
        steps.post_process(run_id)
    except (StepClosed, ledger.StepTaken, Step.DoesNotExist):
        return
