"""The canvas through a real worker process over a real broker, on the database under test."""

from __future__ import annotations

import mailbox
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from celery import current_app
from celery.result import AsyncResult
from django.utils import timezone
from django_celery_results.models import ChordCounter, TaskResult  # type: ignore[attr-defined]  # stubs lag

from accounts.models import Notice, SecurityEvent, SignIn, Verdict
from tests import servers
from tests.environment import SCRATCH
from tests.waiting import wait_for
from tests.workflows.conftest import SAFARI
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.risk_service import DENY, Answer, RiskService
from workflows.models import Run, Step, task_id_of
from workflows.publishing import breaker, publish
from workflows.recovery import recover_runs
from workflows.steps import Name

Finished = Callable[[Run], bool]
MakeRun = Callable[..., Run]


def step_of(run: Run, name: Name) -> Step:
    return run.steps.get(name=name)


def test_a_run_goes_through_its_five_steps_in_the_canvas_order(
    worker: servers.Server, risk: RiskService, make_run: MakeRun, finished: Finished
) -> None:
    run = make_run()

    assert publish(run)
    wait_for(lambda: finished(run), "the run finishes")

    assert run.state == Run.State.SUCCEEDED
    assert run.published == 1
    steps = {step.name: step for step in run.steps.all()}
    assert {step.state for step in steps.values()} == {Step.State.SUCCEEDED}
    members = (Name.NOTIFY_USER, Name.SAVE_EVENT)
    for before, after in [
        *((Name.CHECK_DEVICE, member) for member in members),
        *((member, Name.POST_TO_RISK_API) for member in members),
        (Name.POST_TO_RISK_API, Name.POST_PROCESS),
    ]:
        assert steps[before].finished_at <= steps[after].started_at  # type: ignore[operator]  # both are set
    assert Verdict.objects.get().decision == "allow"
    assert SecurityEvent.objects.get().sign_in_id == run.sign_in_id


def test_each_steps_result_lies_under_an_id_that_follows_from_the_run(
    worker: servers.Server, risk: RiskService, make_run: MakeRun, finished: Finished
) -> None:
    run = make_run()
    publish(run)
    wait_for(lambda: finished(run), "the run finishes")

    last: AsyncResult[Any] = AsyncResult(task_id_of(run.pk, Name.POST_PROCESS))
    wait_for(last.successful, "the last result is stored")

    stored = {result.task_id: result for result in TaskResult.objects.filter(task_id__startswith=str(run.pk))}
    assert set(stored) == {task_id_of(run.pk, name) for name in Name}
    assert {result.status for result in stored.values()} == {"SUCCESS"}
    for step in run.steps.all():
        assert AsyncResult(step.task_id).result == step.result
    assert not ChordCounter.objects.exists()


def test_a_new_device_gets_its_notice_into_the_mailbox(
    worker: servers.Server, risk: RiskService, make_run: MakeRun, finished: Finished
) -> None:
    first, second = make_run(), make_run(user_agent=SAFARI)
    for run in (first, second):
        publish(run)
        wait_for(lambda run=run: finished(run), "the run finishes")  # type: ignore[misc]

    message_id = f"<{second.pk}.notify_user@testserver>"
    mails = [mail for mail in mailbox.Maildir(SCRATCH / "mail") if mail["Message-ID"] == message_id]
    assert [mail["To"] for mail in mails] == ["alice@example.com"]
    assert Notice.objects.get().state == Notice.State.SENT


def test_a_run_published_five_times_at_once_has_each_effect_once(
    worker: servers.Server, risk: RiskService, make_run: MakeRun, finished: Finished
) -> None:
    make_run()
    run = make_run(user_agent=SAFARI)

    for _ in range(5):
        publish(run)
    wait_for(lambda: finished(run), "the run finishes")

    assert run.state == Run.State.SUCCEEDED
    assert SecurityEvent.objects.filter(sign_in=run.sign_in).count() == 1
    assert Verdict.objects.filter(sign_in=run.sign_in).count() == 1
    assert len({headers["Idempotency-Key"] for headers, _ in risk.requests}) == 1
    assert step_of(run, Name.NOTIFY_USER).attempts == 1
    assert step_of(run, Name.POST_TO_RISK_API).attempts == 1


def test_many_runs_at_once_all_finish(
    worker: servers.Server, risk: RiskService, make_run: MakeRun, finished: Finished
) -> None:
    runs = [make_run() for _ in range(30)]

    for run in runs:
        publish(run)

    wait_for(lambda: all(finished(run) for run in runs), "all runs finish", seconds=60)
    assert {run.state for run in runs} == {Run.State.SUCCEEDED}
    assert SignIn.objects.filter(device_reason="first_device").count() == 1


def test_a_risk_service_that_is_away_is_asked_again_until_it_is_back(
    worker: servers.Server, risk: RiskService, make_run: MakeRun, finished: Finished
) -> None:
    risk.answer = Answer(status=503, body=b"")
    run = make_run()
    publish(run)
    wait_for(lambda: step_of(run, Name.POST_TO_RISK_API).state == Step.State.RETRYING, "a retry waits")
    run.refresh_from_db()
    assert run.state == Run.State.RETRYING

    risk.will_say(DENY)
    wait_for(lambda: finished(run), "the run finishes")

    assert run.state == Run.State.SUCCEEDED
    assert Verdict.objects.get().decision == "deny"


def test_a_step_that_fails_for_good_fails_the_run_and_says_why(
    worker: servers.Server, risk: RiskService, make_run: MakeRun, finished: Finished
) -> None:
    risk.answer = Answer(status=422, body=b"the version is wrong")
    run = make_run()
    publish(run)
    wait_for(lambda: finished(run), "the run ends")

    assert run.state == Run.State.FAILED
    failed = step_of(run, Name.POST_TO_RISK_API)
    assert failed.state == Step.State.FAILED
    assert "422: the version is wrong" in failed.error
    assert step_of(run, Name.POST_PROCESS).state == Step.State.WAITING
    wait_for(lambda: AsyncResult(failed.task_id).failed(), "Celery's result says so too")
    wait_for(lambda: run.callback_calls.count() == 2, "the task's error callback and the chain's are called")


def test_recovery_publishes_what_a_broker_that_was_down_did_not_take(
    worker: servers.Server, risk: RiskService, make_run: MakeRun, finished: Finished
) -> None:
    run = make_run()
    listening = current_app.conf.broker_write_url
    current_app.conf.update(broker_write_url=_nobody_listens())
    assert not publish(run)
    current_app.conf.update(broker_write_url=listening)
    breaker.close()
    run.refresh_from_db()
    assert run.state == Run.State.QUEUED
    assert run.published == 0

    assert recover_runs() == 0, "it is not due yet"
    Run.objects.update(recover_at=timezone.now())
    assert recover_runs() == 1
    wait_for(lambda: finished(run), "the run finishes")
    assert run.state == Run.State.SUCCEEDED


def _nobody_listens() -> str:
    return urlsplit(os.environ["REDIS_URL"])._replace(netloc="127.0.0.1:1").geturl()
