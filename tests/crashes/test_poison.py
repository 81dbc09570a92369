"""A run whose step kills its process each time is failed in the end, and takes neither workers nor other runs along."""

from __future__ import annotations

import pytest

from tests import servers
from tests.crashes import plans
from tests.crashes.trial import Trial
from tests.crashes.windows import Window
from tests.waiting import wait_for
from workflows.ledger import MOST_CUT_OFF
from workflows.models import Alert, Run, Step

# The work is done before the test, by the fixture; it only reads.
pytestmark = pytest.mark.django_db

DEADLY = Window(Step.Name.SAVE_EVENT, "begun")
SECONDS = 90.0


@pytest.fixture(scope="module")
def poison(trial: Trial, worker: servers.Server) -> Run:
    """A run whose process was killed at one step as often as that may be."""
    run = trial.begin(DEADLY)
    for _ in range(MOST_CUT_OFF - 1):
        wait_for(lambda: trial.has_died(run), "its process dies", seconds=SECONDS)
        plans.plan(trial.folder, run.pk, DEADLY.step, DEADLY.point, plans.PROCESS)
    wait_for(lambda: trial.has_ended(run), "it is given up", seconds=SECONDS)
    return run


@pytest.fixture(scope="module")
def other(trial: Trial, poison: Run) -> Run:
    """A run after that."""
    run = trial.begin(DEADLY)
    wait_for(lambda: trial.has_ended(run), "another run ends", seconds=SECONDS)
    return run


def test_a_run_that_kills_its_process_each_time_is_failed_and_told(poison: Run) -> None:
    poison.refresh_from_db()

    assert poison.state == Run.State.FAILED
    assert f"killed {MOST_CUT_OFF} times" in Alert.objects.get(run=poison).text


def test_the_worker_and_other_runs_go_on(other: Run, worker: servers.Server) -> None:
    other.refresh_from_db()

    assert other.state == Run.State.SUCCEEDED
    assert worker.process is not None and worker.process.poll() is None
