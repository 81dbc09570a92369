"""The site's own processes for a measurement: the commands of the Procfile, on the database of this process.

They listen where the environment of the tests says, and each is told what it would be in production.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]  # it has no types
from django.conf import settings
from django.db import connection

from loginwatch.chaos.listening import spare_port
from loginwatch.demo.processes import read_procfile
from tests import servers
from tests.environment import SCRATCH

HOST = "testserver"
CHEAP_HASH, NO_PRODUCER = "benchmarks.sign_ins.settings_cheap_hash", "benchmarks.sign_ins.settings_no_producer"
# What the log of each says once it does its work.
READY = {"web": "Listening at", "risk": "Listening at", "worker": servers.WORKER_IS_READY, "beat": "is starting."}


@dataclass(frozen=True)
class Web:
    """A web server: ``pid`` of its first process, ``port`` on this machine."""

    pid: int
    port: int


def variables() -> dict[str, str]:
    """What the processes are told beside the environment of the tests."""
    return {
        "DEBUG": "0",
        "SITE_URL": f"https://{HOST}",
        # Visitors say where they come from: the limit on sign-ins per address is not what is measured.
        "TRUSTED_PROXY_COUNT": "1",
        "DATABASE_URL": os.environ["DATABASE_URL"],
        "RISK_API_SECRET": settings.RISK_API_SECRET,
        "RISK_API_BIND": urlsplit(os.environ["RISK_API_URL"]).netloc,
        "RISK_API_STORE": str(SCRATCH / "risk.sqlite3"),
    }


def command(name: str, *options: str) -> list[str]:
    """A command of the Procfile, from this environment, with further options, of which the last counts."""
    program, *arguments = shlex.split(read_procfile((servers.CHECKOUT / "Procfile").read_text())[name])
    return [str(servers.BIN / program), *arguments, *options]


@contextmanager
def process(name: str, *options: str, env: Mapping[str, str] | None = None) -> Iterator[int]:
    """One of the Procfile; yields the number of its first process."""
    server = servers.Server(*command(name, *options), log=SCRATCH / f"{name}.log", env=variables() | dict(env or {}))
    with servers.running(server, says=READY[name]):
        assert server.process is not None  # noqa: S101  it runs
        yield server.process.pid


@contextmanager
def web(site_settings: str, **env: str) -> Iterator[Web]:
    """The site's web processes with ``site_settings``, on a port of their own."""
    port = spare_port()
    with process("web", env={"DJANGO_SETTINGS_MODULE": site_settings, "PORT": str(port), **env}) as pid:
        yield Web(pid, port)


@contextmanager
def broker() -> Iterator[servers.Server]:
    """Redis or its like, where the environment says."""
    server = servers.broker(port=urlsplit(os.environ["REDIS_URL"]).port or 0, folder=SCRATCH)
    with servers.running(server, says=servers.BROKER_IS_READY):
        yield server


@contextmanager
def everything() -> Iterator[tuple[Web, dict[str, int]]]:
    """The whole site; yields its web server, and the number of the first process of each part by name."""
    with (
        broker() as redis,
        process("risk") as risk,
        process("worker") as worker,
        process("beat") as beat,
        web("loginwatch.settings") as server,
    ):
        assert redis.process is not None  # noqa: S101  it runs
        parts = {"web": server.pid, "worker": worker, "beat": beat, "risk service": risk}
        yield server, parts | {"PostgreSQL": postmaster(), "Redis": redis.process.pid}


def postmaster() -> int:
    """The number of PostgreSQL's first process, whose child serves this one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(psutil.Process(cursor.fetchone()[0]).ppid())
