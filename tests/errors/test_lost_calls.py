"""A whole worker is killed between "the step has failed" and calling the error callbacks: they are called yet."""

from __future__ import annotations

import pytest
from django.db.models import F

from accounts.models import SecurityEvent
from tests import servers
from tests.crashes import plans
from tests.crashes.trial import Trial
from tests.errors import calls
from tests.waiting import wait_for
from tests.workflows.risk_service import Answer
from workflows import missed_calls, publishing
from workflows.models import CallbackCall, Run
from workflows.steps import Name

# The work is done before the tests, by the fixture; they only read.
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def run(trial: Trial, worker: servers.Server) -> Run:
    """One that the risk service refused, when its callbacks have been called."""
    run = trial.make_run(trial.make_person())
    trial.risk.answers[str(run.sign_in_id)] = [Answer(status=422)]
    plans.plan(trial.folder, run.pk, Name.POST_TO_RISK_API, "result: before store", plans.GROUP)
    publishing.publish(run)
    process = worker.process
    assert process is not None
    wait_for(lambda: process.poll() is not None, "the worker is killed")
    assert not CallbackCall.objects.filter(run=run).exists()
    # As if Celery had been given its time.
    run.steps.update(finished_at=F("finished_at") - missed_calls.PATIENCE)
    worker.start(says=servers.WORKER_IS_READY)
    wait_for(lambda: CallbackCall.objects.filter(run=run).count() == 2, "the callbacks are called")
    return run


def test_each_level_is_called_once(trial: Trial, run: Run) -> None:
    assert sorted(run.callback_calls.values_list("level", "step", "reason", "calls")) == [
        ("chain", Name.POST_TO_RISK_API, "failed", 1),
        ("task", Name.POST_TO_RISK_API, "failed", 1),
    ]
    assert calls.noted(trial.folder) == {(run.pk, "chain"): 1, (run.pk, "task"): 1}


def test_what_they_are_for_is_done(run: Run) -> None:
    kinds = list(SecurityEvent.objects.filter(sign_in=run.sign_in).values_list("kind", flat=True))

    assert kinds.count(SecurityEvent.Kind.RISK_UNAVAILABLE) == 1
