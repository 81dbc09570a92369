"""Who has to die where. A plan is a file named after its point; whoever removes it dies there, so nobody does twice
(but for EACH, which stays)."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from uuid import UUID

# The environment variable that names the folder of the plans.
FOLDER = "CRASH_PLANS"
# Instead of a run's id: of a run that is still to be made, so its id is not known.
ANY_RUN = "any run"

PROCESS = "the process that reaches the point"
EACH = "each process that reaches the point"
GROUP = "all processes of its group: a worker with its children"


def plan(folder: Path, run_id: UUID | str, step: str, point: str, whom: str = PROCESS) -> Path:
    """The plan's file; as long as it is there, nobody has died."""
    file = _file(folder, run_id, step, point)
    file.write_text(whom)
    return file


def carry_out(run_id: UUID | str, step: str, point: str) -> None:
    """The process has reached a point. It returns, unless it is to die here."""
    file = _file(Path(os.environ[FOLDER]), run_id, step, point)
    try:
        whom = file.read_text()
        if whom != EACH:
            file.unlink()
    except FileNotFoundError:
        return
    if whom == GROUP:
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _file(folder: Path, run_id: UUID | str, step: str, point: str) -> Path:
    return folder / f"{run_id} {step} {point}"
