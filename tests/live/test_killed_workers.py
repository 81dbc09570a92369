"""Workers that are killed in the middle of a step, and what recovery makes of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from django.utils import timezone

from accounts.models import SecurityEvent
from tests import servers
from tests.waiting import wait_for
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.risk_service import Answer, RiskService
from workflows.models import Run, Step
from workflows.publishing import publish
from workflows.recovery import recover_runs

Name = Step.Name
Finished = Callable[[Run], bool]
MakeRun = Callable[..., Run]


def test_a_run_whose_worker_was_killed_in_a_step_is_finished_by_recovery(
    broker: servers.Server,
    empty_broker: None,
    risk: RiskService,
    make_run: MakeRun,
    finished: Finished,
    database_url: str,
    tmp_path: Path,
) -> None:
    risk.answer = Answer(delay=60)
    run = make_run()
    env = {"DATABASE_URL": database_url, "RISK_API_TIMEOUT": "20"}
    with servers.running(servers.worker(folder=tmp_path, env=env), says=servers.WORKER_IS_READY) as doomed:
        publish(run.pk)
        wait_for(lambda: risk.requests, "the worker asks the risk service")
        doomed.signal(signal.SIGKILL)
    risk.answer = Answer()
    # The lease that the dead worker held is over, and the time to leave a run alone has passed.
    run.steps.filter(name=Name.POST_TO_RISK_API).update(leased_until=timezone.now())
    Run.objects.filter(pk=run.pk).update(recover_at=timezone.now())

    with servers.running(servers.worker(folder=tmp_path, env=env), says=servers.WORKER_IS_READY):
        assert recover_runs() == 1
        wait_for(lambda: finished(run), "the run finishes")

    assert run.state == Run.State.SUCCEEDED
    assert run.published == 2
    assert [step.attempts for step in run.steps.all()] == [1, 1, 1, 2, 1]
    assert SecurityEvent.objects.count() == 1


def test_a_killed_pool_child_does_not_fail_the_run(
    broker: servers.Server,
    empty_broker: None,
    risk: RiskService,
    make_run: MakeRun,
    finished: Finished,
    database_url: str,
    tmp_path: Path,
) -> None:
    risk.answer = Answer(delay=60)
    run = make_run()
    env = {"DATABASE_URL": database_url, "RISK_API_TIMEOUT": "20"}
    with servers.running(servers.worker(folder=tmp_path, env=env), says=servers.WORKER_IS_READY) as server:
        publish(run.pk)
        wait_for(lambda: risk.requests, "the worker asks the risk service")
        before = timezone.now()
        _kill_pool_children(server)
        # Celery takes the task for failed and calls the error callback, which brings recovery forward.
        wait_for(lambda: Run.objects.filter(pk=run.pk, recover_at__range=(before, timezone.now())).exists(), "told")
        run.refresh_from_db()
        assert not run.is_finished
        risk.answer = Answer()
        run.steps.filter(name=Name.POST_TO_RISK_API).update(leased_until=timezone.now())
        assert recover_runs() == 1
        wait_for(lambda: finished(run), "the run finishes")

    assert run.state == Run.State.SUCCEEDED


def _kill_pool_children(server: servers.Server) -> None:
    assert server.process is not None
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
