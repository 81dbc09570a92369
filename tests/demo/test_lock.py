"""Whether a demo runs here, and whose settings are believed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loginwatch.demo.folders import prepare_folders
from loginwatch.demo.refusal import CannotStart
from loginwatch.demo.running import BASE_DIR, demo_lock, env_file_in, lock_file_in, running_demo_env_file

HOLDER = """
import sys
from pathlib import Path
from loginwatch.demo.running import demo_lock
with demo_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def var(var: Path) -> Path:
    prepare_folders(var)
    env_file_in(var).write_text("DEBUG=1\nSITE_URL=http://127.0.0.1:8123\n")
    return var


def test_the_settings_of_a_demo_are_believed_while_it_runs(var: Path) -> None:
    with demo_lock(var):
        assert running_demo_env_file(var) == env_file_in(var)
    assert running_demo_env_file(var) is None


def test_where_there_was_no_demo_there_are_no_settings(tmp_path: Path) -> None:
    assert running_demo_env_file(tmp_path / "var") is None


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_another_users_demo_is_none_of_ours(var: Path) -> None:
    lock_file_in(var).chmod(0)
    assert running_demo_env_file(var) is None


def test_a_second_demo_is_refused_with_the_address_of_the_first(var: Path) -> None:
    with demo_lock(var), pytest.raises(CannotStart, match=r"already runs at http://127\.0\.0\.1:8123 "), demo_lock(var):
        pass


def test_a_demo_that_has_only_just_started_has_no_address_yet(var: Path) -> None:
    env_file_in(var).unlink()
    with demo_lock(var), pytest.raises(CannotStart, match="already runs from this checkout"), demo_lock(var):
        pass


def test_the_lock_of_a_killed_demo_is_free_and_what_it_left_is_not_believed(var: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(var)]
    with subprocess.Popen(command, cwd=BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:  # noqa: S603
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert running_demo_env_file(var) is not None
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert running_demo_env_file(var) is None
    with demo_lock(var):
        pass


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CannotStart, match=r"cannot write to .*var \(Permission denied\).* VAR_DIR="):
        prepare_folders(tmp_path / "var")


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    with pytest.raises(CannotStart, match=r"cannot write to .*var \("):
        prepare_folders(tmp_path / "var")
