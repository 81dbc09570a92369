"""Whether a demo runs in this checkout, told by a file lock that dies with its process."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


def running_demo_env_file(var_dir: Path) -> Path | None:
    """The settings of the demo that runs in this checkout, or None where none runs.

    A demo that was killed leaves its file behind but not its lock, so what it left is never believed.
    """
    lock = var_dir / "run" / "demo.lock"
    if not lock.exists():
        return None
    with lock.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return var_dir / "run" / "demo.env"
    return None


def hold_demo_lock(var_dir: Path) -> IO[str] | None:
    """The lock, held until the returned file is closed or the process ends; None where another holds it."""
    directory = var_dir / "run"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = (directory / "demo.lock").open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle
