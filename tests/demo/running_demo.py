"""A demo in a folder of its own, and a browser for it."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from loginwatch.chaos.listening import spare_port
from loginwatch.demo.cast import PASSWORD, address_of
from loginwatch.demo.environment import mark_of
from loginwatch.demo.leftovers import end_leftovers, marked_processes
from loginwatch.demo.ports import LOOPBACK
from tests.waiting import wait_for

CHECKOUT = Path(__file__).resolve().parents[2]
COMMANDS = Path(sys.executable).parent
START_SECONDS = 90.0
STOP_SECONDS = 60.0
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Safari/605.1.15"
)


class Demo:
    """`python -m loginwatch.demo` as a user starts it, with nothing set but the folder and the port."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.port = spare_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.output = var.parent / "terminal.txt"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | {"VAR_DIR": str(self.var), "PORT": str(self.port), "ENV_FILE": os.devnull}

    def launch(self) -> None:
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with self.output.open("wb") as terminal:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "loginwatch.demo"],
                cwd=CHECKOUT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=terminal,
                start_new_session=True,
            )

    def start(self) -> None:
        self.launch()
        wait_for(self._is_ready, "the demo is ready", seconds=START_SECONDS)

    def said(self) -> str:
        return self.output.read_text()

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> int:
        """What Ctrl-C does: a signal to the whole foreground process group; the exit status."""
        os.killpg(self.pid, number)
        return self.exit_status()

    def exit_status(self) -> int:
        assert self.process is not None
        return self.process.wait(timeout=STOP_SECONDS)

    def kill_launcher(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    def kill_everything(self) -> None:
        self.kill_launcher()
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """All that this demo started and that still runs."""
        return marked_processes(mark_of(self.var))

    def processes_of_session(self) -> list[int]:
        """The same by another way of finding them: the session that the launcher was started in."""
        return [pid for pid in all_processes() if _session_of(pid) == self.pid]

    def processes_named(self, name: str) -> set[int]:
        sought = f"SUPERVISOR_PROCESS_NAME={name}".encode()
        return {pid for pid in self.processes() if sought in _environment_of(pid)}

    def freeze_workers(self) -> None:
        """Not while they write: whoever is frozen within a transaction keeps SQLite's other writers waiting."""
        wait_for(self._frozen_outside_a_transaction, "the workers are frozen while they write nothing")

    def _frozen_outside_a_transaction(self) -> bool:
        for pid in self.processes_named("worker"):
            os.kill(pid, signal.SIGSTOP)
        if can_be_written(self.var / "loginwatch.sqlite3"):
            return True
        self.thaw_workers()
        return False

    def thaw_workers(self) -> None:
        for pid in self.processes_named("worker"):
            os.kill(pid, signal.SIGCONT)

    def run_command(self, *command: str) -> subprocess.CompletedProcess[str]:
        """In a second terminal, where nothing is set."""
        environment = self.environment()
        del environment["ENV_FILE"], environment["PORT"]
        return subprocess.run(  # noqa: S603 - our own command
            [COMMANDS / command[0], *command[1:]],
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def __enter__(self) -> Demo:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill_launcher()
        end_leftovers(mark_of(self.var))

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        return "Ctrl-C stops everything." in self.said()


class Browser:
    def __init__(self, demo: Demo, user_agent: str) -> None:
        self.client = httpx.Client(
            base_url=demo.url, headers={"User-Agent": user_agent}, follow_redirects=True, timeout=30
        )

    def sign_in(self, name: str) -> str:
        """Sign in through the site's form; the id of the run that follows."""
        form = self.client.get("/accounts/login/").raise_for_status().text
        token = _found(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        answer = self.client.post(
            "/accounts/login/",
            data={"csrfmiddlewaretoken": token, "login": address_of(name), "password": PASSWORD},
            headers={"Referer": str(self.client.base_url)},
        )
        return _found(r"/runs/([0-9a-f-]{36})/", answer.raise_for_status().text)

    def run(self, run_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get(f"/runs/{run_id}.json").raise_for_status().json()
        return answer

    def finished_run(self, run_id: str) -> dict[str, Any]:
        wait_for(lambda: self.run(run_id)["finished_at"], "the run finishes", seconds=60)
        return self.run(run_id)

    def page(self, path: str) -> str:
        return self.client.get(path).raise_for_status().text

    def close(self) -> None:
        self.client.close()


def can_be_written(database: Path) -> bool:
    """Nobody has begun to write. Raises sqlite3.OperationalError where that is not all that hinders."""
    with closing(sqlite3.connect(database, timeout=1, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return False
    return True


def _found(pattern: str, page: str) -> str:
    found = re.search(pattern, page)
    assert found, page
    return found[1]


def all_processes() -> list[int]:
    """Those that run: one that has ended and waits for its parent to notice does not."""
    return [int(process.name) for process in Path("/proc").iterdir() if process.name.isdigit() and _runs(process)]


def _runs(process: Path) -> bool:
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # it has ended since
        return False
    return state not in {"Z", "X"}


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:  # it has ended since
        return None


def _environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended since
        return []
