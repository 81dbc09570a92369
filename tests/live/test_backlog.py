"""Runs that wait their turn: recovery leaves them alone, however long it takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests import servers
from tests.waiting import wait_for
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.risk_service import RiskService
from workflows import steps
from workflows.models import Run, Step
from workflows.publishing import impatient_connection, publish
from workflows.recovery import recover_runs
from workflows.steps import Name

RUNS = 200
# Recovery looks every few seconds; here each look comes this much later than the one before.
TICKS = 20
TICK = timedelta(seconds=30)


@pytest.fixture
def backlog(empty_broker: None, make_run: Callable[..., Run]) -> None:
    """RUNS runs in the broker's queue, and no worker that takes them; recovery knew the broker before."""
    recover_runs()
    for _ in range(RUNS):
        assert publish(make_run())


@pytest.fixture
def let_pass(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Puts forward the clock that this process reads."""
    passed = timedelta()
    real_now = timezone.now

    def now() -> datetime:
        return real_now() + passed

    def let_pass(time: timedelta) -> None:
        nonlocal passed
        passed += time

    monkeypatch.setattr(timezone, "now", now)
    return let_pass


def look_again_and_again(let_pass: Callable[[timedelta], None]) -> None:
    for _ in range(TICKS):
        let_pass(TICK)
        recover_runs()


def test_runs_that_wait_for_a_worker_are_not_published_again(
    backlog: None, let_pass: Callable[[timedelta], None]
) -> None:
    look_again_and_again(let_pass)

    assert not Run.objects.exclude(published=1).exists()


def test_one_that_has_begun_and_was_published_again_behind_them_is_published_no_more(
    empty_broker: None, make_run: Callable[..., Run], let_pass: Callable[[timedelta], None]
) -> None:
    """Its message is with those of runs that have not begun, though what it has to do next waits in another queue."""
    recover_runs()
    begun = make_run()
    assert publish(begun)
    with impatient_connection(1) as connection:
        channel: Any = connection.channel()
        assert channel.client.rpop("sign_in"), "a worker takes it"
    steps.check_device(begun.pk)  # and is killed
    for _ in range(RUNS):
        assert publish(make_run())

    look_again_and_again(let_pass)

    assert list(Run.objects.exclude(published=1).values_list("pk", "published", "stalls")) == [(begun.pk, 2, 1)]


def test_once_a_worker_is_there_they_all_finish_those_who_came_first_first(
    backlog: None,
    let_pass: Callable[[timedelta], None],
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
    risk: RiskService,
    tmp_path: Path,
) -> None:
    look_again_and_again(let_pass)
    monkeypatch.undo()  # the worker's clock is the machine's

    with servers.running(
        servers.worker(folder=tmp_path, env={"DATABASE_URL": database_url}), says=servers.WORKER_IS_READY
    ):
        wait_for(lambda: not Run.objects.filter(state__in=Run.UNFINISHED).exists(), "all runs end", seconds=300)

    assert not Run.objects.exclude(state=Run.State.SUCCEEDED).exists()
    assert not Run.objects.exclude(published=1).exists()
    began = Step.objects.filter(name=Name.CHECK_DEVICE).latest("started_at").started_at
    assert Run.objects.filter(finished_at__lt=began).count() > RUNS / 2, "before the last of them has begun"
