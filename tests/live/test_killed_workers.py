"""Workers that are killed in the middle of a step, and what recovery makes of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import SecurityEvent
from tests import servers
from tests.waiting import wait_for
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.past import let_pass
from tests.workflows.risk_service import Answer, RiskService
from workflows.models import Run
from workflows.publishing import publish
from workflows.recovery import recover_runs


@pytest.fixture
def new_worker(
    broker: servers.Server, empty_broker: None, database_url: str, tmp_path: Path
) -> Callable[[], AbstractContextManager[servers.Server]]:
    """Starts a worker that waits longer for the risk service than the test takes."""
    env = {"DATABASE_URL": database_url, "RISK_API_TIMEOUT": "20"}
    return lambda: servers.running(servers.worker(folder=tmp_path, env=env), says=servers.WORKER_IS_READY)


@pytest.fixture
def run(risk: RiskService, make_run: Callable[..., Run]) -> Run:
    """A run that will be stuck in its fourth step, once it is published."""
    risk.answer = Answer(delay=60)
    return make_run()


def test_a_run_whose_worker_was_killed_in_a_step_is_finished_when_the_next_one_starts(
    new_worker: Callable[[], AbstractContextManager[servers.Server]],
    run: Run,
    risk: RiskService,
    finished: Callable[[Run], bool],
) -> None:
    with new_worker() as doomed:
        publish(run)
        wait_for(lambda: risk.requests, "the worker asks the risk service")
        doomed.signal(signal.SIGKILL)
    risk.answer = Answer()
    let_pass(run)

    with new_worker():
        wait_for(lambda: finished(run), "the run finishes")

    assert run.state == Run.State.SUCCEEDED
    assert run.published == 2
    assert [step.attempts for step in run.steps.all()] == [1, 1, 1, 2, 1]
    assert SecurityEvent.objects.count() == 1


def test_a_killed_pool_child_does_not_fail_the_run(
    new_worker: Callable[[], AbstractContextManager[servers.Server]],
    run: Run,
    risk: RiskService,
    finished: Callable[[Run], bool],
) -> None:
    with new_worker() as worker:
        publish(run)
        wait_for(lambda: risk.requests, "the worker asks the risk service")
        before = timezone.now()
        _kill_pool_children(worker)
        # Celery takes the task for failed and calls the error callback, which brings recovery forward.
        wait_for(lambda: Run.objects.filter(pk=run.pk, recover_at__range=(before, timezone.now())).exists(), "told")
        run.refresh_from_db()
        assert not run.is_finished

        risk.answer = Answer()
        let_pass(run)
        assert recover_runs() == 1
        wait_for(lambda: finished(run), "the run finishes")

    assert run.state == Run.State.SUCCEEDED


def _kill_pool_children(worker: servers.Server) -> None:
    assert worker.process is not None
    pid = worker.process.pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
