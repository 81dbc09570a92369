"""Running the processes under supervisor, in this process and in the foreground."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

from loginwatch.demo.processes import READY
from loginwatch.demo.terminal import say

# At which failed start in a row the end of the log is shown.
TELLING_FAILURE = 3
LINES_SHOWN = 12
BYTES_SHOWN = 4096
KILLED = -1  # supervisor's exit status of a process that a signal ended


def supervise(config: Path) -> None:
    """Start what ``config`` names, keep it running, and return when a signal has ended it all."""
    options = ServerOptions()
    hang_up = signal.getsignal(signal.SIGHUP)
    options.realize(["--nodaemon", "--configuration", str(config)])
    options.first = True
    options.test = False
    with suppress(asyncore.ExitNow):
        DemoSupervisor(options, ignores_hang_up=hang_up is signal.SIG_IGN).main()
    options.close_logger()


class DemoSupervisor(Supervisor):  # type: ignore[misc]  # supervisor has no types
    """supervisord that tells the terminal what its user wants to know."""

    def __init__(self, options: Any, *, ignores_hang_up: bool) -> None:
        super().__init__(options)
        self._ignores_hang_up = ignores_hang_up
        self._restarted: set[str] = set()

    def runforever(self) -> None:
        if self._ignores_hang_up:  # nohup: this run shall outlive its terminal
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        events.subscribe(events.ProcessStateExitedEvent, self._on_exited)
        events.subscribe(events.ProcessStateBackoffEvent, self._on_failed_start)
        events.subscribe(events.ProcessStateFatalEvent, self._on_given_up)
        events.subscribe(events.ProcessStateRunningEvent, self._on_running)
        events.subscribe(events.ProcessLogStdoutEvent, self._on_output)
        events.subscribe(events.SupervisorStoppingEvent, lambda _: say("\nStopping …"))
        super().runforever()

    def _on_exited(self, event: Any) -> None:
        process = event.process
        _end_group(process.pid)
        if self.options.mood < SupervisorStates.RUNNING:
            return
        if process.config.name != READY:
            self._restarted.add(process.config.name)
            say(f"  {process.config.name} {_how_it_ended(process)}; it is started again.")
        elif process.exitstatus:
            say(f"  {process.config.name} {_how_it_ended(process)}. {_end_of(process.config.stderr_logfile)}")

    def _on_failed_start(self, event: Any) -> None:
        config = event.process.config
        _end_group(event.process.pid)
        if event.process.backoff == TELLING_FAILURE:
            say(f"  {config.name} does not start; it is tried again. {_end_of(config.stdout_logfile)}")

    def _on_given_up(self, event: Any) -> None:
        config = event.process.config
        say(f"  {config.name} cannot be started, and is left alone. {_end_of(config.stdout_logfile)}")

    def _on_running(self, event: Any) -> None:
        name = event.process.config.name
        if name in self._restarted:
            self._restarted.remove(name)
            say(f"  {name} runs again.")

    def _on_output(self, event: Any) -> None:
        say(event.data.decode(errors="replace"), end="")


def _how_it_ended(process: Any) -> str:
    return "was killed" if process.exitstatus == KILLED else f"ended with status {process.exitstatus}"


def _end_group(pid: int) -> None:
    """End what a process that has ended left of its group, such as a worker's children."""
    if pid:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _end_of(name: str) -> str:
    path = Path(name).absolute()
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - BYTES_SHOWN))
            lines = log.read().decode(errors="replace").splitlines()[-LINES_SHOWN:]
    except OSError as error:
        return f"Its log cannot be read: {error}"
    shown = "\n".join(f"    {line}" for line in lines)
    return f"The end of {path}:\n{shown}"
