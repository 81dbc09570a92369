"""DBOS: a durable workflow of five steps on a queue in PostgreSQL; each step's result is a row.

``python -m benchmarks.peers.dbos_workflow`` is a worker, as in https://docs.dbos.dev/python/examples/queue-worker; who
signs people in uses a DBOSClient. Django's connections stay open, one for each thread that DBOS runs workflows in.
"""

from __future__ import annotations

import functools
import os
import threading

import django
from dbos import DBOS, DBOSClient

QUEUE = "sign_in"
WORKFLOW = "all_steps"
# Workflows at once in a process: of 1, 2, 4, 8 and 16 it did the most with 8. Without a limit, PostgreSQL's connections
# are too few: Django takes one for each thread.
WORKER_CONCURRENCY = 8
# Seconds between two looks at the queue. At the default of 1.0 the processes would wait most of the time.
POLLING_INTERVAL = 0.05


def enqueue(sign_in_id: int) -> None:
    _client().enqueue({"queue_name": QUEUE, "workflow_name": WORKFLOW}, sign_in_id)


@functools.cache
def _client() -> DBOSClient:
    return DBOSClient(system_database_url=_system_database_url())


def _system_database_url() -> str:
    """Its tables are in a schema of their own in the site's database."""
    return os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)


def main() -> None:
    django.setup()
    from benchmarks.peers import domain  # models need a set up Django

    check_device, notify_user, save_event, post_to_risk_api, post_process = (
        DBOS.step()(step)
        for step in (
            domain.check_device,
            domain.notify_user,
            domain.save_event,
            domain.post_to_risk_api,
            domain.post_process,
        )
    )

    def all_steps(sign_in_id: int) -> None:
        check_device(sign_in_id)
        notify_user(sign_in_id)
        assessment = post_to_risk_api(sign_in_id, save_event(sign_in_id))
        post_process(sign_in_id, assessment)

    DBOS.workflow(name=WORKFLOW)(all_steps)
    DBOS(
        config={
            "name": "loginwatch",
            "system_database_url": _system_database_url(),
            # Each process has to have its own where a queue has a worker concurrency.
            "executor_id": os.environ["EXECUTOR_ID"],
        }
    )
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=WORKER_CONCURRENCY, polling_interval_sec=POLLING_INTERVAL)
    print("the worker is ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
