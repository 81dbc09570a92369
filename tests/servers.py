"""Real servers and workers as processes of their own, each in a process group that ends with its test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.waiting import wait_for

CHECKOUT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


class Server:
    """One command with its children. ``log`` is where both its outputs go."""

    def __init__(self, *command: str, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.command = command
        self.log = log
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "loginwatch.settings",
            "PYTHONUNBUFFERED": "1",
            **(env or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, says: str) -> None:
        """Start it and wait until its log says ``says``."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603  our own commands
                self.command, cwd=CHECKOUT, env=self.env, stdout=log, stderr=log, start_new_session=True
            )
        wait_for(lambda: self._said(says), f"{self.command[0]} says {says!r}")

    def _said(self, text: str) -> bool:
        said = self.log.read_text(errors="replace")
        assert self.process is not None
        assert self.process.poll() is None, f"{' '.join(self.command)} ended:\n{said}"
        return text in said

    def signal(self, number: signal.Signals) -> None:
        """To the process and all its children."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
        with suppress(ProcessLookupError):  # children whose parent died alone
            self.signal(signal.SIGKILL)


@contextmanager
def running(server: Server, *, says: str) -> Iterator[Server]:
    try:
        server.start(says=says)
        yield server
    finally:
        server.stop()


def broker(*, port: int, folder: Path) -> Server:
    from loginwatch.demo.broker import server_binary

    binary = str(server_binary(folder))
    return Server(binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", log=folder / "broker.log")


def worker(
    *,
    folder: Path,
    env: Mapping[str, str],
    name: str = "worker",
    app: str = "loginwatch",
    level: str = "INFO",
    queues: str = "",
) -> Server:
    command = [str(BIN / "celery"), "-A", app, "worker", "-l", level, "-c", "2", "-n", f"{name}@%h"]
    if queues:
        command += ["--queues", queues]
    # Alone at its broker, it need not look for others for a second.
    return Server(*command, "--without-mingle", log=folder / f"{name}.log", env=env)


WORKER_IS_READY = " ready."
BROKER_IS_READY = "Ready to accept connections"
