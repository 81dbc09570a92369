"""The tasks and the canvas in one process: fast, and good for their logic alone.

Eager mode calls no error callback and stores no result, so the canvas is shown through a worker as well
(tests/live/test_canvas.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from celery import current_app
from celery.exceptions import Ignore, SoftTimeLimitExceeded

from tests.workflows.conftest import SAFARI
from tests.workflows.error_calls import call
from tests.workflows.risk_service import Answer, RiskService
from workflows import steps, tasks
from workflows.breakers import Call
from workflows.ledger import TryAgain
from workflows.models import Run, Step
from workflows.risk import risk_api
from workflows.sign_in import SIGN_IN, sign_in_canvas
from workflows.step_tasks import on_chain_error
from workflows.steps import Name

pytestmark = pytest.mark.usefixtures("risk")


@pytest.fixture(autouse=True)
def eagerly() -> Iterator[None]:
    current_app.conf.task_always_eager = True
    yield
    current_app.conf.task_always_eager = False


def test_the_canvas_finishes_the_run(run: Run) -> None:
    sign_in_canvas(str(run.pk)).apply_async()

    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED
    assert {step.state for step in run.steps.all()} == {Step.State.SUCCEEDED}


def test_the_canvas_of_a_finished_run_changes_nothing(make_run: Callable[..., Run], risk: RiskService) -> None:
    make_run()
    run = make_run(user_agent=SAFARI)
    sign_in_canvas(str(run.pk)).apply_async()
    before = list(run.steps.values())

    sign_in_canvas(str(run.pk)).apply_async()

    assert list(run.steps.values()) == before
    assert len(risk.requests) == 1


def test_the_steps_are_read_from_the_canvas() -> None:
    planned = [(step.name, step.stage, step.queue) for step in SIGN_IN.steps]

    assert planned == [
        (Name.CHECK_DEVICE, 0, "sign_in"),
        (Name.NOTIFY_USER, 1, "mail"),
        (Name.SAVE_EVENT, 1, "under_way"),
        (Name.POST_TO_RISK_API, 2, "risk"),
        (Name.POST_PROCESS, 3, "under_way"),
    ]
    assert SIGN_IN.step("save_event").title == "save the event"
    assert [step.name for step in SIGN_IN.steps if step.skippable] == [Name.NOTIFY_USER, Name.POST_TO_RISK_API]


def test_a_failure_for_good_is_recorded_and_ends_the_run(run: Run, risk: RiskService) -> None:
    risk.answer = Answer(status=422, body=b"no such version")
    tasks.check_device.apply(args=(str(run.pk),))
    tasks.save_event.apply(args=(str(run.pk),))

    result = tasks.post_to_risk_api.apply(args=(str(run.pk),))

    assert isinstance(result.result, risk_api.RiskApiRefused)
    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert "no such version" in run.steps.get(name=Name.POST_TO_RISK_API).error


def test_a_step_that_reached_its_time_limit_is_tried_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(call: Call, step: Step) -> dict[str, object]:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(steps, "_post_to_risk_api", slow)
    with pytest.raises(TryAgain):  # what a task that is called directly raises instead of retrying
        tasks.post_to_risk_api(str(run.pk))

    step = run.steps.get(name=Name.POST_TO_RISK_API)
    assert (step.state, step.error) == (Step.State.RETRYING, "it reached its time limit")
    run.refresh_from_db()
    assert run.state == Run.State.RETRYING


def test_a_task_of_a_run_that_ended_is_ignored(run: Run) -> None:
    Run.objects.update(state=Run.State.CANCELLED)

    with pytest.raises(Ignore):
        tasks.check_device(str(run.pk))


def test_an_id_that_is_no_runs_is_an_error_and_not_a_retry(db: None) -> None:
    with pytest.raises(Step.DoesNotExist):
        tasks.check_device("00000000-0000-4000-8000-000000000000")


def test_the_error_callback_may_be_called_any_number_of_times(run: Run) -> None:
    run.steps.filter(name=Name.CHECK_DEVICE).update(state=Step.State.FAILED)

    for _ in range(3):
        call(on_chain_error, run, Name.CHECK_DEVICE)

    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    (noted,) = run.callback_calls.all()
    assert (noted.level, noted.step, noted.reason, noted.calls) == ("chain", Name.CHECK_DEVICE, "failed", 3)
