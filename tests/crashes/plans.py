"""Who has to die where, or what else goes wrong there. A plan is a file named after its point; whoever removes it
carries it out, so nobody does twice (but for those that stay)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from django.db import OperationalError

# The environment variable that names the folder of the plans.
FOLDER = "CRASH_PLANS"
# Instead of a run's id: of a run that is still to be made, so its id is not known.
ANY_RUN = "any run"

PROCESS = "the process that reaches the point dies"
EACH = "each process that reaches the point dies"
GROUP = "all processes of its group die: a worker with its children"
HINDER = "the database does not do what it is asked"
HINDER_EACH = "the database never does what it is asked"
FAIL = "an error that nobody expects"
FAIL_EACH = "the same each time"
LINGER = "it takes longer than its time limit"
HANG = "it takes longer, and does not heed that it shall end"
NOTHING = "nothing; others wait until the point is reached"
# Before the name of another plan's file.
AFTER = "it waits until this plan is carried out: "

FOR_EVER = 60.0


def plan(folder: Path, run_id: UUID | str, step: str, point: str, what: str = PROCESS) -> Path:
    """The plan's file; as long as it is there, nobody has carried it out."""
    file = _file(folder, run_id, step, point)
    file.write_text(what)
    return file


def carry_out(run_id: UUID | str, step: str, point: str) -> None:
    """The process has reached a point. It returns, unless something is planned here."""
    file = _file(Path(os.environ[FOLDER]), run_id, step, point)
    try:
        what = file.read_text()
        if what not in STAYING:
            file.unlink()
    except FileNotFoundError:
        return
    if what.startswith(AFTER):
        _wait_for(file.with_name(what.removeprefix(AFTER)))
    else:
        ACTIONS[what]()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_together() -> None:
    os.killpg(0, signal.SIGKILL)


def _hinder() -> None:
    raise OperationalError("deadlock detected")


def _fail() -> None:
    raise RuntimeError("nobody expects this")


def _linger() -> None:
    time.sleep(FOR_EVER)


def _hang() -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # by which Celery says that the time is up
    time.sleep(FOR_EVER)


def _wait_for(other: Path) -> None:
    until = time.monotonic() + FOR_EVER
    while other.exists() and time.monotonic() < until:
        time.sleep(0.01)


STAYING = {EACH, HINDER_EACH, FAIL_EACH}
ACTIONS: dict[str, Callable[[], None]] = {
    PROCESS: _die,
    EACH: _die,
    GROUP: _die_together,
    HINDER: _hinder,
    HINDER_EACH: _hinder,
    FAIL: _fail,
    FAIL_EACH: _fail,
    LINGER: _linger,
    HANG: _hang,
    NOTHING: lambda: None,
}


def _file(folder: Path, run_id: UUID | str, step: str, point: str) -> Path:
    return folder / f"{run_id} {step} {point}"
