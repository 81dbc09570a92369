"""Parts are kept alive until they are stopped, and then nothing of them is left."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from loginwatch.chaos.parts import Part, children_of
from loginwatch.demo.refusal import CannotStart
from tests.waiting import wait_for

pytestmark = pytest.mark.once

# Says that it is up, has a child, and waits.
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("up", flush=True)
time.sleep(600)
"""
Make = Callable[..., Part]


@pytest.fixture
def make_part(tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:

        def make(*command: str) -> Part:
            part = Part(
                "a part",
                command or (sys.executable, "-c", PARENT),
                variables=dict(os.environ),
                log=tmp_path / "part.log",
                ready=lambda part: "up" in part.said(),
            )
            stack.callback(part.stop)
            part.start()
            return part

        yield make


def pid_of(part: Part) -> int:
    return wait_for(lambda: part.is_ready() and part.pid, "the part is ready") or 0


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_part_is_ready_when_it_says_so(make_part: Make) -> None:
    part = make_part()

    part.wait_for_start()

    assert part.is_ready()
    assert part.said() == "up\n"


def test_a_killed_part_is_started_again_soon(make_part: Make) -> None:
    part = make_part()
    first = pid_of(part)

    os.kill(first, signal.SIGKILL)

    second = wait_for(lambda: part.pid not in {first, None} and part.pid, "it runs again", seconds=10)
    assert second != first
    assert pid_of(part)
    assert part.deaths == 1


def test_what_a_killed_part_leaves_behind_is_ended(make_part: Make) -> None:
    part = make_part()
    first = pid_of(part)
    [child] = children_of(first)

    os.kill(first, signal.SIGKILL)

    wait_for(lambda: not runs(child), "its child has ended")


def test_the_children_of_a_part_are_found_and_one_that_is_killed_does_not_end_it(make_part: Make) -> None:
    part = make_part()
    pid = pid_of(part)
    [child] = children_of(pid)

    os.kill(child, signal.SIGKILL)

    wait_for(lambda: not runs(child), "the child has ended")
    assert part.pid == pid


def test_a_stopped_part_leaves_nothing(make_part: Make) -> None:
    part = make_part()
    pid = pid_of(part)
    everybody = [pid, *children_of(pid)]

    part.stop()

    wait_for(lambda: not any(map(runs, everybody)), "all have ended")
    assert part.pid is None


def test_a_frozen_part_is_stopped_as_well(make_part: Make) -> None:
    part = make_part()
    pid = pid_of(part)
    assert part.signal(signal.SIGSTOP)

    part.stop()

    assert not runs(pid)
    assert not part.signal(signal.SIGCONT)


def test_a_part_that_ends_at_once_says_why(make_part: Make) -> None:
    part = make_part(sys.executable, "-c", "raise SystemExit('no such thing')")

    with pytest.raises(CannotStart, match="no such thing"):
        part.wait_for_start()


def test_a_command_that_is_not_there_is_named(make_part: Make) -> None:
    part = make_part("no-such-command")

    with pytest.raises(CannotStart, match="no-such-command"):
        part.wait_for_start()
