"""A worker whose steps go wrong as planned, and the runs of all cells, when they have ended."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests import servers
from tests.crashes.conftest import broker_url as broker_url  # the fixtures
from tests.crashes.conftest import database as database
from tests.crashes.conftest import env as env
from tests.crashes.conftest import folder as folder
from tests.crashes.conftest import mail as mail
from tests.crashes.conftest import risk as risk
from tests.crashes.conftest import trial as trial
from tests.errors.limits import LIMITS, STALLED
from tests.live.conftest import database_url as database_url
from workflows import runs, tasks


@pytest.fixture(scope="module")
def limits(broker_url: str) -> Iterator[None]:
    """Those of the step that this process publishes: a message carries them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "STALLED", STALLED)
        for name, limit in LIMITS["check_device"].items():
            patch.setattr(tasks.check_device, name, limit)
        patch.setattr(tasks.check_device, "_exec_options", None)  # where Celery keeps what it has read of them
        yield


@pytest.fixture(scope="module")
def worker(folder: Path, env: dict[str, str], limits: None) -> Iterator[servers.Server]:
    """A worker with beat in it, and with more children than can be kept busy at once."""
    command = (str(servers.BIN / "celery"), "-A", "tests.errors.app", "worker", "-l", "INFO", "-c", "6")
    beat = ("-B", "-s", str(folder / "schedule"), "--without-mingle")
    # It waits longer for the risk service than its steps may take.
    server = servers.Server(*command, *beat, log=folder / "worker.log", env={**env, "RISK_API_TIMEOUT": "20"})
    with servers.running(server, says=servers.WORKER_IS_READY):
        yield server
    with suppress(ProcessLookupError):  # its children outlive a worker that died alone
        server.signal(signal.SIGKILL)
