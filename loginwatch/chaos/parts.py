"""A process that is kept alive: started again about a second after it ended, however it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from loginwatch.demo.refusal import CannotStart
from loginwatch.demo.running import BASE_DIR
from loginwatch.demo.waiting import wait_until

# Seconds between an end and the next start.
PAUSE = 0.5
# Seconds that a part may take until it is ready for the first time: several start at once.
START_LIMIT = 90.0
LINES_SHOWN = 12
PROC = Path("/proc")


class Part:
    """One process with its children, in a process group of its own.

    ``ready`` is asked whether it serves, ``log`` is where both its outputs go. It is started, watched and started
    again by one thread, so that an interrupt of the main thread never leaves a process that nobody knows of.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        variables: Mapping[str, str],
        log: Path,
        ready: Callable[[Part], bool],
    ) -> None:
        self.name = name
        self.deaths = 0
        self._command = command
        self._variables = variables
        self._log = log
        self._log_begins = 0
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"keeper of {name}", daemon=True)

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        self._keeper.start()

    def wait_for_start(self) -> None:
        """Until it is ready. Raises CannotStart where it ends before, or takes too long."""
        wait_until(lambda: self.is_ready() or self.deaths > 0, limit=START_LIMIT)
        if not self.is_ready():
            raise CannotStart(f"{self.name} does not start. The end of its log:\n{self._end_of_log()}")

    def is_ready(self) -> bool:
        return self.pid is not None and self._ready(self)

    def said(self) -> str:
        """What it wrote since it was started last."""
        with self._log.open("rb") as log:
            log.seek(self._log_begins)
            return log.read().decode(errors="replace")

    def signal(self, number: signal.Signals) -> bool:
        """To the process itself, not to its children; False where it does not run."""
        with self._lock:
            process = self._process
            if process is None or process.poll() is not None:
                return False
            process.send_signal(number)
            return True

    def stop(self) -> None:
        """End it with its children, at once and for good. What it holds is thrown away, so it is not asked."""
        self._stopping.set()
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                _kill_group(self._process.pid)
        if self._keeper.ident is not None:
            self._keeper.join()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            if process := self._launch():
                process.wait()
                _kill_group(process.pid)
            self.deaths += 1
            self._stopping.wait(PAUSE)

    def _launch(self) -> subprocess.Popen[bytes] | None:
        """None where it cannot be started, which its log then says, or shall not be any more."""
        with self._lock, self._log.open("ab") as log:
            if self._stopping.is_set():
                return None
            self._log_begins = log.tell()
            try:
                self._process = self._popen(log)
            except OSError as error:
                log.write(f"{error}\n".encode())
                return None
            return self._process

    def _popen(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  our own commands
            self._command,
            cwd=BASE_DIR,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def _end_of_log(self) -> str:
        return "\n".join(f"    {line}" for line in self.said().splitlines()[-LINES_SHOWN:])


def children_of(pid: int) -> list[int]:
    """The numbers of the processes whose parent is ``pid``, without those that have ended and are not buried yet."""
    found = _by_proc() if PROC.exists() else _by_ps()
    return sorted(int(child) for child, state, parent in found if parent == str(pid) and not state.startswith("Z"))


def _by_proc() -> Iterator[tuple[str, str, str]]:
    """Of each process its number, its state and its parent's number."""
    for process in PROC.iterdir():
        if process.name.isdigit():
            with suppress(OSError):  # it has ended since
                # Behind the name in parentheses, which may hold anything.
                state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
                yield process.name, state, parent


def _by_ps() -> Iterator[tuple[str, str, str]]:
    """The same where there is no /proc, as on macOS."""
    listed = subprocess.run(["ps", "-axo", "pid=,stat=,ppid="], capture_output=True, text=True, check=True)  # noqa: S607
    for line in listed.stdout.splitlines():
        child, state, parent = line.split()
        yield child, state, parent


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS forbids it where all have ended
        os.killpg(pid, signal.SIGKILL)
