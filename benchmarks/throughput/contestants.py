"""Who takes part: how the processes of each are started, and when they are ready."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.site import command
from tests.servers import BIN, WORKER_IS_READY

# Worker processes of each peer: one a core, which is what Celery and Dramatiq have of themselves. The site's own worker
# has twice as many (CELERY_WORKER_CONCURRENCY), for its steps wait; the stock canvas takes part with as many as well.
PROCESSES = os.cpu_count() or 1
MANAGE = (sys.executable, "manage.py")
# Modules found there hide others of the same name.
DRIVER = {"PYTHONPATH": str(Path(__file__).parent / "psycopg2_only")}


@dataclass(frozen=True)
class Process:
    """``says``, so many ``times``, is what its log has once it does its work."""

    command: tuple[str, ...]
    says: str
    times: int = 1
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contestant:
    """``env`` is for its processes and for those that sign people in."""

    name: str
    title: str
    processes: tuple[Process, ...]
    env: Mapping[str, str]


def _peer(name: str, title: str, module: str, *processes: Process, driver: Mapping[str, str] = DRIVER) -> Contestant:
    settings = {"DJANGO_SETTINGS_MODULE": "benchmarks.peers.settings", "PEER": module}
    return Contestant(name, title, processes, {**settings, **driver})


def _celery(name: str, title: str, module: str, processes: int = PROCESSES) -> Contestant:
    """Celery's stock worker; it has of itself as many processes as there are cores."""
    worker = (str(BIN / "celery"), "-A", "benchmarks.peers.celery_stock", "worker", "-l", "INFO")
    return _peer(name, title, module, Process((*worker, "-c", str(processes)), WORKER_IS_READY))


LOGINWATCH = Contestant(
    "loginwatch",
    "Loginwatch",
    # Its promise needs recovery, and so beat: that is part of what it costs.
    (Process(tuple(command("worker")), WORKER_IS_READY), Process(tuple(command("beat")), "is starting.")),
    {"DJANGO_SETTINGS_MODULE": "loginwatch.settings", **DRIVER},
)
CANVAS = _celery("canvas", "Celery, stock canvas", "celery_canvas")
CONTESTANTS = (
    LOGINWATCH,
    CANVAS,
    _celery("canvas_as_many", f"Celery, stock canvas, {2 * PROCESSES} processes", "celery_canvas", 2 * PROCESSES),
    _celery("task", "Celery, one task", "celery_task"),
    _peer(
        "dramatiq",
        "Dramatiq",
        "dramatiq_actor",
        Process((*MANAGE, "rundramatiq", "--processes", str(PROCESSES)), "process is ready for action", PROCESSES),
    ),
    _peer("huey", "Huey", "huey_task", Process((*MANAGE, "run_huey"), "Huey consumer started")),
    _peer(
        "rq",
        "RQ",
        "rq_job",
        Process((*MANAGE, "rqworker-pool", "default", "--num-workers", str(PROCESSES)), "Listening on", PROCESSES),
    ),
    _peer(
        "dbos",
        "DBOS",
        "dbos_workflow",
        *(
            Process(
                (sys.executable, "-m", "benchmarks.peers.dbos_workflow"), "is ready", env={"EXECUTOR_ID": str(number)}
            )
            for number in range(PROCESSES)
        ),
        driver={},  # DBOS speaks through psycopg 3, and so does Django where that is installed
    ),
)
