"""The site's Celery app, for a worker whose steps go wrong as planned: `celery -A tests.errors.app worker -B`.

It is that of the tests of crashes (tests/crashes/app.py), with shorter time limits and fewer attempts.
"""

from __future__ import annotations

from typing import Any

from celery import Task
from celery.signals import task_prerun, worker_process_init

from tests.crashes.app import app as app
from tests.errors.limits import CLAIM, LEASE, LIMITS, STALLED

app.conf.task_annotations = {
    **app.conf.task_annotations,
    **{f"workflows.tasks.{step}": limits for step, limits in LIMITS.items()},
}


@worker_process_init.connect
def give_up_soon(**kwargs: Any) -> None:
    from django.conf import settings

    from workflows import ledger, runs, steps  # they know models, as those of tests/crashes/app.py do
    from workflows.results import chords

    ledger.FIRST_HINDERED_DELAY = ledger.LONGEST_HINDERED_DELAY = 0.5
    ledger.MOST_HINDRANCES = 3
    ledger.LEASE = LEASE
    runs.STALLED = STALLED
    chords.CLAIM = CLAIM
    steps.LONGEST_RISK_DELAY = 3.0  # for which the service asks that is away for good
    settings.EMAIL_TIMEOUT = 4  # longer than the soft limit; with it, short enough to part before the hard one


@task_prerun.connect
def reach_the_first_point(task_id: str, **kwargs: Any) -> None:
    """Before a step begins, and locks anything."""
    from tests.crashes import plans

    run_id, dot, step = task_id.rpartition(".")
    if dot:
        plans.carry_out(run_id, step, "taken")


@task_prerun.connect
def count_the_callback(task: Task[..., Any], args: tuple[str, ...], **kwargs: Any) -> None:
    from tests.errors import calls
    from workflows.step_tasks import ErrorCallback

    if isinstance(task, ErrorCallback):
        calls.note(args[0], task.level)
