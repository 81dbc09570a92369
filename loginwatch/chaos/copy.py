"""A private copy of everything: the site's own processes and what they need, on spare ports of this machine alone."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

import httpx
import redis

from loginwatch.chaos.interrupts import undisturbed
from loginwatch.chaos.listening import spare_port
from loginwatch.chaos.mail import Mail, MailServer
from loginwatch.chaos.parts import Part
from loginwatch.chaos.postgresql import PrivateServer, private_server
from loginwatch.chaos.risk import RiskProxy
from loginwatch.demo import broker
from loginwatch.demo.environment import surroundings
from loginwatch.demo.folders import prepare_folders
from loginwatch.demo.ports import LOOPBACK
from loginwatch.demo.processes import read_procfile
from loginwatch.demo.refusal import CannotStart
from loginwatch.demo.running import BASE_DIR

Engine = Literal["sqlite", "postgresql"]

USERS = tuple(f"visitor{number:02}" for number in range(1, 21))
WORKERS = ("worker-1", "worker-2")
POOL_CHILDREN = "2"
# Of this machine's environment, what programs need; none of the site's own settings leaks in.
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
# Seconds after PostgreSQL answers again in which a connection from before may still be found dead.
OUTAGE_MARGIN = 2.0
# Seconds that a part may take to say that it is there.
ANSWER_LIMIT = 2.0
LINES_SHOWN = 12


class PrivateCopy:
    """A context manager: what it starts runs in ``folder``, and has ended when the block has.

    ``users`` can sign in (with loginwatch.demo.cast.PASSWORD), ``environment`` is what the processes are told,
    ``parts`` are those that are kept alive, by name; ``plain`` runs them with loginwatch.chaos.plain_settings.
    ``stopping`` is set when the block ends. Entering raises CannotStart.

    PostgreSQL's data are in a temporary folder of its own, as it may have to run as another user.
    """

    def __init__(self, folder: Path, *, engine: Engine, plain: bool = False) -> None:
        self.folder = folder.absolute()
        self.engine = engine
        self.users = list(USERS)
        self.risk_store = self.folder / "risk.sqlite3"
        self.environment: dict[str, str] = {}
        self.parts: dict[str, Part] = {}
        self.stopping = threading.Event()
        self.mail = MailServer()
        self.risk = RiskProxy(f"http://{LOOPBACK}:{spare_port()}")
        self._settings = "loginwatch.chaos.plain_settings" if plain else "loginwatch.settings"
        self._postgresql: PrivateServer | None = None
        self._outages: list[tuple[float, float]] = []
        self._running = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start(self._running)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self.stopping.set()
        with undisturbed():
            self._running.close()

    @property
    def url(self) -> str:
        return self.environment["SITE_URL"]

    @property
    def database_url(self) -> str:
        return self.environment["DATABASE_URL"]

    def mails(self) -> list[Mail]:
        """Those that the mail server has accepted so far."""
        return self.mail.accepted

    def database_outages(self) -> list[tuple[float, float]]:
        """The spans, in time.time(), in which PostgreSQL was being restarted, each with a small margin after it."""
        return list(self._outages)

    def restart_database(self) -> None:
        """In immediate mode. Raises ValueError on SQLite, which has no server."""
        if self._postgresql is None:
            raise ValueError("SQLite has no server that could be restarted")
        began = time.time()
        self._postgresql.restart()
        self._outages.append((began, time.time() + OUTAGE_MARGIN))

    def broker_client(self) -> redis.Redis:
        """A connection to the broker, a context manager."""
        url = self.environment["REDIS_URL"]
        return redis.Redis.from_url(url, socket_connect_timeout=ANSWER_LIMIT, socket_timeout=ANSWER_LIMIT)

    def _start(self, stack: ExitStack) -> None:
        prepare_folders(self.folder)
        if self.engine == "postgresql":
            self._postgresql = stack.enter_context(private_server())
        stack.enter_context(self.mail)
        stack.enter_context(self.risk)
        self.environment = self._make_environment()
        self.parts = {part.name: part for part in self._make_parts()}
        for part in self.parts.values():
            stack.callback(part.stop)
        self.parts["broker"].start()
        self._prepare_data()
        for part in list(self.parts.values())[1:]:
            part.start()
        for part in self.parts.values():
            part.wait_for_start()

    def _make_environment(self) -> dict[str, str]:
        site_port, broker_port, password = spare_port(), spare_port(), secrets.token_hex(24)
        broker.write_config(self.folder, port=broker_port, password=password)
        sqlite = f"sqlite:///{quote(str(self.folder / 'loginwatch.sqlite3'))}"
        given = {name: os.environ[name] for name in KEPT if name in os.environ} | {
            "ENV_FILE": os.devnull,
            "DJANGO_SETTINGS_MODULE": self._settings,
            "PORT": str(site_port),
            "WEB_CONCURRENCY": "2",
            # Visitors say where they come from.
            "TRUSTED_PROXY_COUNT": "1",
            # What is denied also ends its session: an effect more that could be lost or doubled.
            "LOGINWATCH_ENFORCE": "enforce",
            "DATABASE_URL": self._postgresql.url if self._postgresql else sqlite,
            "REDIS_URL": f"redis://:{password}@{LOOPBACK}:{broker_port}/0",
            "EMAIL_URL": self.mail.url,
            "RISK_API_URL": self.risk.url,
            "RISK_API_BIND": self.risk.upstream.removeprefix("http://"),
            "RISK_API_STORE": str(self.risk_store),
        }
        # Demo mode serves the static files from where they are written, so nothing has to be collected.
        return dict(surroundings(given, self.folder).variables)

    def _make_parts(self) -> Iterator[Part]:
        """The broker first: everything else needs it. The other commands are those of the Procfile."""
        commands = {
            name: shlex.split(command) for name, command in read_procfile((BASE_DIR / "Procfile").read_text()).items()
        }
        server = [str(broker.server_binary(self.folder)), str(broker.config_file_in(self.folder))]
        yield self._part("broker", server, lambda _: self._broker_answers())
        yield self._part("risk", commands["risk"], lambda _: _is_well(self.risk.upstream))
        yield self._part("web", commands["web"], lambda _: _is_well(self.url))
        for name in WORKERS:
            arguments = ["--loglevel", "INFO", "--concurrency", POOL_CHILDREN, "--hostname", f"{name}@%h"]
            yield self._part(name, [*commands["worker"], *arguments], lambda part: " ready." in part.said())
        yield self._part(
            "beat", [*commands["beat"], "--loglevel", "INFO"], lambda part: "beat: Starting" in part.said()
        )

    def _part(self, name: str, command: Sequence[str], ready: Callable[[Part], bool]) -> Part:
        log = self.folder / "log" / f"{name}.log"
        return Part(name, command, variables=self.environment, log=log, ready=ready)

    def _broker_answers(self) -> bool:
        try:
            with self.broker_client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _prepare_data(self) -> None:
        command = [sys.executable, "-m", "loginwatch.chaos.prepare", *self.users]
        done = subprocess.run(  # noqa: S603  our own command
            command, cwd=BASE_DIR, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            said = "\n".join(done.stderr.splitlines()[-LINES_SHOWN:])
            raise CannotStart(f"The private copy's database could not be prepared:\n{said}")


def _is_well(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=ANSWER_LIMIT, trust_env=False).is_success
    except httpx.HTTPError:
        return False
