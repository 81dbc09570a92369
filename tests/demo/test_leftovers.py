"""Processes that a killed demo left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from loginwatch.demo import leftovers
from loginwatch.demo.environment import MARK, mark_of

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def mark(tmp_path: Path) -> str:
    return mark_of(tmp_path)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process with the given environment, and waits until it is up."""
    with ExitStack() as stack:

        def started(code: str, **environment: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", code]
            process = stack.enter_context(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE))  # noqa: S603
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            return process

        yield started


def reaped(process: subprocess.Popen[bytes]) -> int:
    return process.wait(timeout=10)


def test_what_carries_the_mark_is_found_and_ended(start: Start, mark: str) -> None:
    process = start(SLEEPER, **{MARK: mark})
    assert leftovers.marked_processes(mark) == [process.pid]
    assert leftovers.end_leftovers(mark)
    assert reaped(process) == -15


def test_what_does_not_end_by_itself_is_killed(start: Start, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "PATIENCE", 0.3)
    process = start(STUBBORN, **{MARK: mark})
    assert leftovers.end_leftovers(mark)
    assert reaped(process) == -9


def test_a_strangers_process_is_left_alone(start: Start, mark: str, tmp_path: Path) -> None:
    strangers = [start(SLEEPER), start(SLEEPER, **{MARK: mark_of(tmp_path / "other")}), start(SLEEPER, OTHER=mark)]
    assert leftovers.marked_processes(mark) == []
    assert leftovers.end_leftovers(mark)
    assert [process.poll() for process in strangers] == [None, None, None]


def test_where_nothing_was_left_there_is_nothing_to_do(mark: str) -> None:
    assert leftovers.end_leftovers(mark)
