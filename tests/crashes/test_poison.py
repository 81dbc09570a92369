"""A run whose step kills its process each time is failed in the end, and takes neither workers nor other runs along."""

from __future__ import annotations

import pytest

from tests import servers
from tests.crashes import plans
from tests.crashes.trial import Trial
from tests.crashes.windows import Window
from tests.waiting import wait_for
from workflows.ledger import MOST_CUT_OFF, MOST_STALLS
from workflows.models import Alert, Run
from workflows.steps import Name

# The work is done before the test, by the fixture; it only reads.
pytestmark = pytest.mark.django_db

SECONDS = 300.0
# Why the run has failed, and where its process dies.
DEADLY = {
    f"its process was killed {MOST_CUT_OFF} times": Window(Name.POST_TO_RISK_API, "claimed"),
    f"it was published {MOST_STALLS} times": Window(Name.SAVE_EVENT, "begun"),
}


@pytest.fixture(scope="module", params=DEADLY)
def poison(request: pytest.FixtureRequest, trial: Trial, worker: servers.Server) -> tuple[Run, str]:
    """A run whose process is killed at one step each time, and why it has failed."""
    run = trial.begin(DEADLY[request.param], plans.EACH)
    wait_for(lambda: Run.objects.get(pk=run.pk).is_finished, "it is given up", seconds=SECONDS)
    return run, request.param


@pytest.fixture(scope="module")
def other(trial: Trial, poison: tuple[Run, str]) -> Run:
    """A run after that."""
    run = trial.begin(Window(Name.SAVE_EVENT, "begun"))
    wait_for(lambda: trial.has_ended(run), "another run ends", seconds=SECONDS)
    return run


def test_a_run_that_kills_its_process_each_time_is_failed_and_told(poison: tuple[Run, str]) -> None:
    run, why = poison
    run.refresh_from_db()

    assert run.state == Run.State.FAILED
    assert why in Alert.objects.get(run=run).text


def test_the_worker_and_other_runs_go_on(other: Run, worker: servers.Server) -> None:
    other.refresh_from_db()

    assert other.state == Run.State.SUCCEEDED
    assert worker.process is not None and worker.process.poll() is None
