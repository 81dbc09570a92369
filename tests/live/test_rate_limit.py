"""A worker asks the risk service at a limited rate, and does all else meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests import servers
from tests.environment import SCRATCH
from tests.live.test_risk_outage import publish_each
from tests.waiting import wait_for
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.risk_service import RiskService
from workflows import backlog
from workflows.models import Run, Step
from workflows.steps import Name

A_SECOND = 2


@pytest.fixture
def slow_worker(empty_broker: None, database_url: str) -> Iterator[servers.Server]:
    """It serves all queues, and may ask twice a second."""
    backlog.mark()
    env = {"DATABASE_URL": database_url, "RISK_API_RATE": f"{A_SECOND}/s"}
    server = servers.worker(folder=SCRATCH, env=env, name="slow")
    with servers.running(server, says=servers.WORKER_IS_READY):
        yield server


def done(name: Name) -> int:
    return Step.objects.filter(name=name, state=Step.State.SUCCEEDED).count()


def test_steps_of_other_sign_ins_go_on_while_posts_are_held_back(
    slow_worker: servers.Server, risk: RiskService, make_run: Callable[..., Run]
) -> None:
    runs = [make_run() for _ in range(30)]
    began = time.monotonic()
    publish_each(runs)

    wait_for(lambda: done(Name.SAVE_EVENT) == 30, "the events of all sign-ins are saved")
    asked = len(risk.requests)
    # With Celery's own consumer it is 27: what is held back fills the worker's places.
    assert asked < 20
    wait_for(lambda: len(risk.requests) >= asked + 6, "it goes on asking")
    a_second = len(risk.requests) / (time.monotonic() - began)
    assert a_second < A_SECOND + 1

    wait_for(lambda: not Run.objects.exclude(state=Run.State.SUCCEEDED).exists(), "all runs succeed")
    assert {run.published for run in Run.objects.all()} == {1}
    assert len(risk.requests) == 30
