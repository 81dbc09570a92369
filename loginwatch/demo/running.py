"""Whether a demo runs in this checkout, told by a file lock that dies with its process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from loginwatch.demo.refusal import CannotStart
from loginwatch.demo.waiting import wait_until
from loginwatch.environment import read_env_file

BASE_DIR = Path(__file__).resolve().parents[2]
# Whoever asks whether a demo runs holds the lock for an instant; longer is another demo.
LOCK_PATIENCE = 0.5


def read_own_env_file() -> None:
    """Add what the file that ``ENV_FILE`` names, or the checkout's ``.env``, sets to the environment."""
    named = os.environ.get("ENV_FILE")
    read_env_file(BASE_DIR / ".env" if named is None else Path(named))


def var_dir() -> Path:
    """Where everything is kept that this checkout makes while it runs: ``VAR_DIR``, or ``var/``.

    The file may say so (``read_own_env_file``).
    """
    return Path(os.environ.get("VAR_DIR") or BASE_DIR / "var").absolute()


def env_file_in(var: Path) -> Path:
    return var / "run" / "demo.env"


def lock_file_in(var: Path) -> Path:
    return var / "run" / "demo.lock"


def running_demo_env_file(var: Path) -> Path | None:
    """The settings of the demo that runs in this checkout, or None where none runs, or another user's.

    A demo that was killed leaves its file behind but not its lock, so what it left is never believed.
    """
    try:
        handle = lock_file_in(var).open()
    except (FileNotFoundError, PermissionError):
        return None
    with handle:
        return None if _taken(handle, fcntl.LOCK_SH) else env_file_in(var)


@contextmanager
def demo_lock(var: Path) -> Iterator[None]:
    """Held until the process ends, at the latest. Raises CannotStart where another demo holds it."""
    with lock_file_in(var).open("a") as handle:
        if not wait_until(lambda: _taken(handle, fcntl.LOCK_EX), limit=LOCK_PATIENCE):
            raise CannotStart(
                f"already runs{_address(var)} from this checkout: stop it with Ctrl-C where it was started"
            )
        yield


def _taken(handle: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _address(var: Path) -> str:
    try:
        lines = env_file_in(var).read_text().splitlines()
    except OSError:  # it has only just started
        return ""
    return next((f" at {line.partition('=')[2]}" for line in lines if line.startswith("SITE_URL=")), "")
