"""The folders under var/ that a demo needs."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path

from loginwatch.demo.refusal import CannotStart
from loginwatch.demo.running import lock_file_in


def prepare_folders(var: Path) -> None:
    """Make them, for this user alone. Raises CannotStart where this user cannot write there."""
    try:
        for folder in (var, var / "run", var / "log"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        lock_file_in(var).open("a").close()
    except OSError as error:
        raise CannotStart(
            f"{_user()} cannot write to {var} ({error.strerror}), where Loginwatch keeps its data: "
            "make it writable, or name another folder with VAR_DIR=/some/folder make run"
        ) from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _user() -> str:
    try:
        return f"User {getpass.getuser()}"
    except (KeyError, OSError):  # a user id without a name; OSError from Python 3.13 on
        return f"User {os.getuid()}"
