"""The log of error callbacks: what is noted of a call, for which step, and what is done with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.utils import timezone

from accounts import notices, retention
from accounts.models import Notice, SecurityEvent
from tests.workflows.conftest import SAFARI
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.error_calls import call
from workflows import ledger, notifying, runs, step_tasks, steps, tasks
from workflows.callbacks import Level, note_call
from workflows.models import CallbackCall, Run, Step
from workflows.steps import Name

MEMBERS = (Name.NOTIFY_USER, Name.SAVE_EVENT)


def calls_of(run: Run) -> list[tuple[str, str, str, int]]:
    rows = CallbackCall.objects.filter(run=run).order_by("pk")
    return [(call.level, call.step, call.reason, call.calls) for call in rows]


def do(run: Run, *names: str) -> None:
    run.steps.filter(name__in=names).update(state=Step.State.SUCCEEDED, attempts=1, result={})


def test_a_step_that_failed_is_noted_once_however_often_celery_calls(run: Run) -> None:
    ledger.fail_step(run.pk, Name.CHECK_DEVICE, "no")

    for _ in range(3):
        call(step_tasks.on_chain_error, run, Name.CHECK_DEVICE)

    assert calls_of(run) == [("chain", Name.CHECK_DEVICE, "failed", 3)]


def test_a_killed_process_is_noted_for_the_step_that_celery_names_and_the_run_goes_on(run: Run) -> None:
    do(run, Name.CHECK_DEVICE)
    runs.mark_published(run.pk)
    run.steps.filter(name=Name.NOTIFY_USER).update(state=Step.State.RUNNING)  # another process is at it

    call(step_tasks.on_chain_error, run, Name.SAVE_EVENT)

    assert calls_of(run) == [("chain", Name.SAVE_EVENT, "interrupted", 1)]
    run.refresh_from_db()
    assert run.state == Run.State.QUEUED
    assert run.published_at is None


def test_a_call_for_the_task_behind_the_group_is_one_for_the_member_that_failed(run: Run) -> None:
    do(run, Name.CHECK_DEVICE, Name.SAVE_EVENT)
    ledger.fail_step(run.pk, Name.NOTIFY_USER, "no")

    call(tasks.on_risk_error, run, Name.POST_TO_RISK_API, Name.NOTIFY_USER)

    assert calls_of(run) == [("task", Name.NOTIFY_USER, "failed", 1)]
    assert not SecurityEvent.objects.filter(kind=SecurityEvent.Kind.RISK_UNAVAILABLE).exists()


def test_a_call_for_the_task_behind_the_group_is_one_for_the_members_that_were_killed(run: Run) -> None:
    do(run, Name.CHECK_DEVICE)

    call(step_tasks.on_chain_error, run, Name.POST_TO_RISK_API, *MEMBERS)

    assert calls_of(run) == [("chain", name, "interrupted", 1) for name in MEMBERS]


@pytest.mark.parametrize("done", [False, True])
def test_a_call_that_comes_when_recovery_has_gone_on_is_for_the_member_and_starts_nothing_anew(
    run: Run, *, done: bool
) -> None:
    do(run, Name.CHECK_DEVICE)
    killed_at = timezone.now()
    runs.mark_published(run.pk)
    if done:
        do(run, *MEMBERS)
    before = Run.objects.filter(pk=run.pk).values().get()

    call(step_tasks.on_chain_error, run, Name.POST_TO_RISK_API, Name.NOTIFY_USER, sent_at=killed_at)

    assert calls_of(run) == [("chain", Name.NOTIFY_USER, "interrupted", 1)]
    assert Run.objects.filter(pk=run.pk).values().get() == before


@pytest.mark.parametrize("published", [False, True])
def test_a_call_that_comes_when_a_person_has_had_the_run_go_on_is_for_the_failure_before(
    run: Run, *, published: bool
) -> None:
    do(run, Name.CHECK_DEVICE, *MEMBERS)
    runs.mark_published(run.pk)
    ledger.fail_step(run.pk, Name.POST_TO_RISK_API, "it is away")
    failed_at = timezone.now()
    runs.reopen_failed_runs()
    if published:
        runs.mark_published(run.pk)
    before = Run.objects.filter(pk=run.pk).values().get()

    call(tasks.on_risk_error, run, Name.POST_TO_RISK_API, sent_at=failed_at)

    assert list(run.callback_calls.values_list("step", "reason", "resumed")) == [(Name.POST_TO_RISK_API, "failed", 0)]
    assert Run.objects.filter(pk=run.pk).values().get() == before
    assert not SecurityEvent.objects.filter(kind=SecurityEvent.Kind.RISK_UNAVAILABLE).exists()


def test_a_process_that_is_killed_after_a_person_had_the_run_go_on_is_noted_as_that(run: Run) -> None:
    ledger.fail_step(run.pk, Name.CHECK_DEVICE, "no")
    runs.reopen_failed_runs()
    runs.mark_published(run.pk)

    for callback in (step_tasks.on_chain_error, step_tasks.on_chain_error, step_tasks.on_group_error):
        call(callback, run, Name.CHECK_DEVICE)

    noted = run.callback_calls.values_list("level", "reason", "resumed", "calls")
    assert list(noted) == [("chain", "interrupted", 1, 2), ("group", "interrupted", 1, 1)]
    run.refresh_from_db()
    assert run.published_at is None


def test_a_step_that_failed_again_after_a_person_had_it_go_on_is_noted_anew(run: Run) -> None:
    for _ in range(2):
        ledger.fail_step(run.pk, Name.CHECK_DEVICE, "no")
        call(step_tasks.on_chain_error, run, Name.CHECK_DEVICE)
        runs.reopen_failed_runs()

    assert list(run.callback_calls.values_list("resumed", "calls")) == [(0, 1), (1, 1)]


def test_without_an_answer_of_the_risk_service_its_task_does_what_is_to_be_done_then(run: Run) -> None:
    do(run, Name.CHECK_DEVICE, *MEMBERS)
    ledger.fail_step(run.pk, Name.POST_TO_RISK_API, "it is away")

    for _ in range(2):
        call(tasks.on_risk_error, run, Name.POST_TO_RISK_API)

    kinds = SecurityEvent.objects.filter(sign_in=run.sign_in).values_list("kind", flat=True)
    assert sorted(kinds) == [SecurityEvent.Kind.RISK_FLAGGED, SecurityEvent.Kind.RISK_UNAVAILABLE]


def test_the_notice_of_a_member_that_failed_is_given_up(run: Run) -> None:
    Notice.objects.create(sign_in=run.sign_in, message_id="<1@testserver>")
    ledger.fail_step(run.pk, Name.NOTIFY_USER, "no template")

    call(tasks.on_notice_error, run, Name.NOTIFY_USER)

    notice = Notice.objects.get()
    assert (notice.state, notice.last_error) == (Notice.State.GIVEN_UP, "no template")


def test_a_notice_that_was_given_up_with_its_step_is_handed_over_when_the_run_goes_on(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.check_device(make_run().pk)
    run = make_run(user_agent=SAFARI)
    steps.check_device(run.pk)
    notices.claim_notice(run.sign_in, "<1@testserver>")
    ledger.fail_step(run.pk, Name.NOTIFY_USER, "no template")
    call(tasks.on_notice_error, run, Name.NOTIFY_USER)
    runs.reopen_failed_runs()

    def away(notice: Notice) -> None:
        raise notices.MailServerAway("away")

    monkeypatch.setattr(notices, "send_notice", away)
    monkeypatch.setattr(notifying, "NOTICE_DELAYS", ())
    steps.notify_user(run.pk)

    assert Notice.objects.get().state == Notice.State.HANDED_OVER


def test_a_call_whose_effect_could_not_be_done_is_not_noted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is made up later (missed_calls.py)."""
    ledger.fail_step(run.pk, Name.POST_TO_RISK_API, "it is away")
    monkeypatch.setattr("accounts.verdicts.act_without_assessment", lambda *args: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        call(tasks.on_risk_error, run, Name.POST_TO_RISK_API)

    assert calls_of(run) == []


def test_a_call_for_a_run_that_was_deleted_or_never_was_does_nothing(run: Run) -> None:
    retention.delete(Run.objects.filter(pk=run.pk))

    told = [Name.POST_TO_RISK_API]
    for run_id in (run.pk, uuid4()):
        assert note_call(run_id, Level.TASK, told, then=steps.do_without_verdict) == []
    assert not CallbackCall.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_calls_at_once_each_is_counted(make_run: Callable[..., Run]) -> None:
    run = make_run()
    ledger.fail_step(run.pk, Name.CHECK_DEVICE, "no")

    def note(run_id: UUID) -> None:
        try:
            note_call(run_id, Level.CHAIN, [Name.CHECK_DEVICE])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=4) as pool:
        for future in [pool.submit(note, run.pk) for _ in range(12)]:
            future.result()

    assert calls_of(run) == [("chain", Name.CHECK_DEVICE, "failed", 12)]
