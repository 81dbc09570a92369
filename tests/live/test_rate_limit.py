"""A worker asks the risk service at a limited rate, and does all else meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from tests import servers
from tests.environment import SCRATCH
from tests.live.test_risk_outage import AWAY, publish_each
from tests.waiting import wait_for
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.risk_service import ALLOW, RiskService
from workflows import backlog
from workflows.models import Run, Step
from workflows.steps import Name

A_SECOND = 1


@pytest.fixture
def slow_worker(empty_broker: None, database_url: str) -> Iterator[servers.Server]:
    """It serves all queues, and may ask once a second."""
    backlog.mark()
    env = {"DATABASE_URL": database_url, "RISK_API_RATE": f"{A_SECOND}/s"}
    server = servers.worker(folder=SCRATCH, env=env, name="slow")
    with servers.running(server, says=servers.WORKER_IS_READY):
        yield server


def done(name: Name) -> int:
    return Step.objects.filter(name=name, state=Step.State.SUCCEEDED).count()


def all_succeeded() -> bool:
    return not Run.objects.exclude(state=Run.State.SUCCEEDED).exists()


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

    wait_for(all_succeeded, "all runs succeed", seconds=120)
    assert {run.published for run in Run.objects.all()} == {1}
    assert len(risk.requests) == 30


def test_what_is_held_back_when_the_connection_to_the_broker_is_lost_is_not(
    slow_worker: servers.Server, risk: RiskService, make_run: Callable[..., Run]
) -> None:
    publish_each([make_run() for _ in range(20)])
    wait_for(lambda: done(Name.SAVE_EVENT) >= 5 and len(risk.requests) >= 2, "posts are held back")
    assert len(risk.requests) < 20

    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.client_kill_filter(_type="normal")

    wait_for(all_succeeded, "all runs succeed", seconds=120)
    assert len({headers["Idempotency-Key"] for headers, _ in risk.requests}) == 20
    publish_each([make_run()])
    wait_for(all_succeeded, "the worker goes on")


def test_those_that_waited_for_a_service_come_back_at_the_limited_rate(
    slow_worker: servers.Server, risk: RiskService, make_run: Callable[..., Run]
) -> None:
    """More at a time than may be held back: the worker gives those back to the queue."""
    risk.answer = AWAY
    publish_each([make_run() for _ in range(14)])
    waiting = Step.objects.filter(name=Name.POST_TO_RISK_API, state=Step.State.RETRYING)
    wait_for(lambda: waiting.count() == 14, "all posts wait")

    risk.will_say(ALLOW)
    asked, began = len(risk.requests), time.monotonic()
    wait_for(all_succeeded, "all runs succeed", seconds=120)

    assert (len(risk.requests) - asked) / (time.monotonic() - began) < A_SECOND + 1
    assert {run.published for run in Run.objects.all()} == {1}
