"""The risk service in a process of its own, as it is run outside tests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx

from tests.riskapi.caller import SECRET
from tests.waiting import wait_for

CHECKOUT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "gunicorn", "-c", "riskapi/gunicorn.conf.py"]
PATIENCE_SECONDS = 10.0


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without what belongs to the risk service or to gunicorn, and with `changes`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RISK_API_", "GUNICORN_"))}
    return kept | changes


class RiskServer:
    """gunicorn on a port that the system chooses at each start."""

    def __init__(self, *, folder: Path, store: Path) -> None:
        self._log = folder / "gunicorn.log"
        self._store = store
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                COMMAND,
                cwd=CHECKOUT,
                env=environment(RISK_API_SECRET=SECRET, RISK_API_STORE=str(self._store), RISK_API_BIND="127.0.0.1:0"),
                stderr=log,
                start_new_session=True,
            )
        try:
            self.url = wait_for(self._address, "gunicorn listening")
            wait_for(self._health, "the risk service answering")
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """kill -9 to the master and its worker at once."""
        if self._process is not None:
            # The new session made the master's pid the number of a group of its own.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=PATIENCE_SECONDS)
            self._process = None

    def _address(self) -> str | None:
        found = re.search(r"Listening at: (http://\S+)", self._log.read_text())
        assert self._process is not None and self._process.poll() is None, self._log.read_text()
        return found[1] if found else None

    def _health(self) -> int | None:
        try:
            return httpx.get(f"{self.url}/healthz").raise_for_status().status_code
        except httpx.HTTPError:
            return None
