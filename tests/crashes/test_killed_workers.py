"""A worker is killed with all its children, and the run still ends right once there is a worker again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests import servers
from tests.crashes import plans
from tests.crashes.outcome import Outcome
from tests.crashes.trial import Trial
from tests.crashes.windows import WHOLE_WORKER, Window
from tests.waiting import wait_for
from workflows.models import Run

# Their work is done before the first of them, by the fixture; they only read.
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def runs(trial: Trial, worker: servers.Server) -> dict[Window, Run]:
    """The run of each window, one after the other, when it has ended."""
    return {window: run_through(trial, worker, window) for window in WHOLE_WORKER}


def run_through(trial: Trial, worker: servers.Server, window: Window) -> Run:
    run = trial.begin(window, plans.GROUP)
    process = worker.process
    assert process is not None
    wait_for(lambda: process.poll() is not None, f"a worker ends: {window}")
    worker.start(says=servers.WORKER_IS_READY)
    wait_for(lambda: trial.has_ended(run), f"the run ends: {window}")
    return run


@pytest.mark.parametrize("window", WHOLE_WORKER, ids=str)
def test_the_run_ends_right(window: Window, trial: Trial, runs: dict[Window, Run]) -> None:
    assert trial.outcome(runs[window]) == replace(Outcome(), mails=[window.mails])
