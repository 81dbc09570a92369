"""Each step, and each way in which it can go wrong, on a real worker: what becomes of it, into docs/errors.md."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.db.models import F, Sum
from django.utils import timezone

from benchmarks import page
from tests import servers
from tests.crashes import plans
from tests.crashes.trial import Trial
from tests.errors import calls
from tests.errors.cells import BOTH, CELLS, Cell
from tests.errors.outcome import Runs, table_of_calls, table_of_steps
from tests.servers import CHECKOUT
from tests.waiting import wait_for
from workflows import publishing
from workflows.models import CallbackCall, Run, Step
from workflows.steps import Name

# The work is done before the tests, by the fixture; they only read.
pytestmark = pytest.mark.django_db

WRITE = "WRITE_ERRORS_PAGE"
PAGE = CHECKOUT / "docs" / "errors.md"
QUEUES = ("sign_in", "under_way", "mail", "risk", "system")
# Seconds for all together, on a machine that has other things to do.
PATIENCE = 450.0


@pytest.fixture(scope="module")
def runs(trial: Trial, worker: servers.Server, broker_url: str) -> Runs:
    """The run of each cell, when all have ended and nobody will call anything any more."""
    cells = [*CELLS, BOTH]
    began = {cell: begin(trial, cell) for cell in cells if not cell.alone and not cell.kills_worker}
    spend_budget(*(run for cell, run in began.items() if cell.spends_budget))
    wait_until_ended(*began.values())
    for cell in cells:
        if cell.alone:
            wait_until_idle(broker_url)
            began[cell] = begin(trial, cell)
            wait_until_ended(began[cell])
    wait_until_idle(broker_url)
    killed = {cell: begin_and_kill_worker(trial, worker, cell) for cell in cells if cell.kills_worker}
    began |= killed
    Run.objects.filter(pk__in=[run.pk for run in killed.values()]).update(recover_at=timezone.now())
    wait_until_ended(*killed.values())
    wait_until_idle(broker_url)
    assert not list(trial.folder.glob("* taken")), "each of these points was reached"
    return {cell: Run.objects.get(pk=began[cell].pk) for cell in cells}


def begin(trial: Trial, cell: Cell, recover_at: datetime | None = None) -> Run:
    run = trial.make_run(trial.make_person())
    if recover_at:
        Run.objects.filter(pk=run.pk).update(recover_at=recover_at)
    for step, point, what in cell.plans:
        plans.plan(trial.folder, run.pk, step, point, what.format(run=run.pk))
    trial.mail.answers_for[run.sign_in.user.email] = list(cell.mail)
    trial.risk.answers[str(run.sign_in_id)] = list(cell.risk)
    publishing.publish(run)
    return run


def begin_and_kill_worker(trial: Trial, worker: servers.Server, cell: Cell) -> Run:
    """Recovery leaves the run alone until the last worker has been killed: another would die in the midst of it."""
    run = begin(trial, cell, recover_at=timezone.now() + timedelta(hours=1))
    process = worker.process
    assert process is not None
    wait_for(lambda: process.poll() is not None, f"the worker is killed: {cell}")
    worker.start(says=servers.WORKER_IS_READY)
    return run


def spend_budget(run: Run) -> None:
    """As if the risk service had been away for as long as it is asked. It has asked for a pause of some seconds."""
    step = run.steps.filter(name=Name.POST_TO_RISK_API, state=Step.State.RETRYING)
    budget = timedelta(seconds=settings.RISK_API_BUDGET)
    wait_for(lambda: step.update(started_at=F("started_at") - budget), "it waits to be asked again")


def wait_until_ended(*runs: Run) -> None:
    unfinished = Run.objects.filter(pk__in=[run.pk for run in runs], state__in=Run.UNFINISHED)
    limit = time.monotonic() + PATIENCE
    wait_for(lambda: not unfinished.exists() or time.monotonic() > limit, "an end", seconds=2 * PATIENCE)
    assert not unfinished.exists(), list(unfinished.values_list("steps__name", "steps__state"))


def wait_until_idle(broker_url: str) -> None:
    """A run that has failed has ended before its callbacks are called."""
    wait_for(lambda: is_idle(broker_url), "nothing is left to be done", seconds=PATIENCE)


def is_idle(broker_url: str) -> bool:
    """Whether nothing of a run waits or is at work, and nothing came of what was at work before."""
    before = number_of_calls()
    return not at_work() and not waiting(broker_url) and not at_work() and before == number_of_calls()


def at_work() -> bool:
    inspect = current_app.control.inspect(limit=1)
    answers: list[Any] = [inspect.active(), inspect.reserved(), inspect.scheduled()]
    if None in answers:
        return True  # it has no time to answer
    held = [task for answer in answers for tasks in answer.values() for task in tasks]
    names = [str(task.get("request", task)["name"]) for task in held]
    return any(name.startswith("workflows.") and "periodic" not in name for name in names)


def waiting(broker_url: str) -> bool:
    with redis.Redis.from_url(broker_url) as client:
        messages = [message for queue in QUEUES for message in client.lrange(queue, 0, -1)]
    return any(b"workflows.periodic" not in message and b"workflows." in message for message in messages)


def number_of_calls() -> int:
    return CallbackCall.objects.aggregate(calls=Sum("calls"))["calls"] or 0


def test_what_becomes_of_each_step_is_what_the_docs_say(runs: Runs) -> None:
    assert_documented("errors, steps", table_of_steps(runs))


def test_celery_calls_the_callbacks_as_often_as_the_docs_say(trial: Trial, runs: Runs) -> None:
    assert_documented("errors, calls", table_of_calls(runs, calls.noted(trial.folder)))


def test_no_step_was_done_twice(trial: Trial, runs: Runs) -> None:
    for cell, run in runs.items():
        outcome = trial.outcome(run)
        once = (*outcome.events.values(), *outcome.mails, outcome.devices, outcome.assessments, len(outcome.verdicts))
        assert max(once) <= 1, f"{cell}: {outcome}"


def test_the_security_log_has_each_sign_in_that_came_to_it(trial: Trial, runs: Runs) -> None:
    """Whatever became of the notice beside it, and whichever of the two was first."""
    for cell, run in runs.items():
        failed = set(run.steps.filter(state=Step.State.FAILED).values_list("name", flat=True))
        came = not failed & {Name.CHECK_DEVICE, Name.SAVE_EVENT}
        assert trial.outcome(run).events.get("signed_in", 0) == came, cell


def assert_documented(name: str, rendered: str) -> None:
    if os.environ.get(WRITE):
        page.write(name, rendered, page=PAGE)
    documented = PAGE.read_text()
    assert page.with_text(documented, name, rendered) == documented, (
        f"docs/errors.md is out of date: {WRITE}=1 .venv/bin/pytest tests/errors writes it anew"
    )
