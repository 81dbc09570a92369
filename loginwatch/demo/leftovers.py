"""Processes that a demo left behind when it was killed, known by the mark in their environment."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from loginwatch.demo.environment import MARK
from loginwatch.demo.waiting import wait_until

PROC = Path("/proc")
# Seconds they get to end by themselves, and then to disappear.
PATIENCE = 5.0


def end_leftovers(mark: str) -> bool:
    """End every process with ``mark``; False where one of them outlived even SIGKILL.

    The mark is looked up again for each signal, so a process that was given a dead one's number is never hit.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in marked_processes(mark):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        if wait_until(lambda: not marked_processes(mark), limit=PATIENCE):
            return True
    return False


def marked_processes(mark: str) -> list[int]:
    """The numbers of the processes that were started with ``mark`` in their environment, without this one."""
    sought = f"{MARK}={mark}".encode()
    found = _by_proc(sought) if (PROC / "self" / "environ").exists() else _by_ps(sought)
    return [pid for pid in found if pid != os.getpid()]


def _by_proc(sought: bytes) -> Iterator[int]:
    for process in PROC.iterdir():
        if process.name.isdigit():
            # Ended since, or another user's.
            with suppress(OSError):
                if sought in (process / "environ").read_bytes().split(b"\0"):
                    yield int(process.name)


def _by_ps(sought: bytes) -> Iterator[int]:
    """Where there is no /proc, as on macOS: `ps` shows the environment behind the command."""
    listed = subprocess.run(["ps", "-axEww", "-o", "pid=,command="], capture_output=True, check=True)  # noqa: S607
    for line in listed.stdout.splitlines():
        if sought in line:
            yield int(line.split()[0])
