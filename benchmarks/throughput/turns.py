"""How a contestant is measured: its turn, of a fixed number of workflows, with its workers warm and their queue full.

1. A new database, an empty broker; its processes start and do some workflows that do not count.
2. They are frozen (SIGSTOP). People sign in, so that all of the turn's workflows are queued.
3. They go on (SIGCONT): the clock runs until the last verdict is in the database.
4. Every workflow must have left all that it should, or there is no figure.

So neither the start of a process nor queueing is in the time; both are the same for a worker that is always there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from benchmarks.throughput.contestants import Contestant, Process
from benchmarks.throughput.lab import Database, Lab
from tests import servers
from tests.environment import SCRATCH
from tests.waiting import wait_for

WARM_UP = 40
# Seconds between two looks at the verdicts: a turn takes seconds.
PAUSE = 0.02
# A turn is over after this many seconds and one for each of SLOWEST workflows, whether or not all have ended.
PATIENCE, SLOWEST = 60.0, 4.0
# Characters at the end of a process's log that are shown where there is no figure.
LOG_SHOWN = 4000

Costs = Mapping[str, float]


class NoFigure(Exception):
    """Not every workflow was done as it should be."""


@dataclass(frozen=True)
class Turn:
    """``rate``: workflows a second. What one workflow cost while it was ``queued`` and while it was ``worked`` off."""

    rate: float
    queued: Costs
    worked: Costs

    @property
    def others(self) -> float:
        """Per cent of a core that others on this machine took while it was measured; 0 where it was not counted."""
        return 100 * self.worked["others"] / self.worked["elapsed"] if self.worked else 0.0


class Counter(Protocol):
    """Counts what workflows cost; ``read`` takes the numbers of the contestant's first processes."""

    def read(self, database: Database, parents: Sequence[int]) -> Costs: ...

    def between(self, before: Costs, after: Costs, *, workflows: int) -> Costs: ...


def turn(lab: Lab, contestant: Contestant, *, workflows: int, counter: Counter) -> Turn:
    """Raises NoFigure, or AssertionError where something does not come in time."""
    with lab.database() as database, _at_work(lab, contestant, database) as parents:
        with frozen(parents, database):
            before = counter.read(database, parents)
            producer = _sign_in(lab, contestant, database, workflows)
            queued = counter.read(database, parents)
        began = time.perf_counter()
        _until_done(database, WARM_UP + workflows)
        seconds = time.perf_counter() - began
        worked = counter.read(database, parents)
        if missing := database.missing():
            raise NoFigure(f"{contestant.title} has left too little: {missing}")
        return Turn(
            workflows / seconds,
            {**counter.between(before, queued, workflows=workflows), "cpu_producer": 1000 * producer / workflows},
            counter.between(queued, worked, workflows=workflows),
        )


def left_after_wipe(lab: Lab, contestant: Contestant, *, workflows: int, seconds: float) -> int:
    """Of so many queued workflows, how many are done within ``seconds`` where Redis loses all it has meanwhile."""
    with lab.database() as database, _at_work(lab, contestant, database) as parents:
        with frozen(parents, database):
            _sign_in(lab, contestant, database, workflows)
            lab.wipe_broker()
        until = time.monotonic() + seconds
        while (done := database.verdicts() - WARM_UP) < workflows and time.monotonic() < until:
            time.sleep(PAUSE)
    return done


@contextmanager
def _at_work(lab: Lab, contestant: Contestant, database: Database) -> Iterator[list[int]]:
    """The contestant's processes, warm; yields the numbers of the first ones."""
    with ExitStack() as stack:
        running = [
            stack.enter_context(_running(process, lab, contestant, database, number))
            for number, process in enumerate(contestant.processes)
        ]
        _sign_in(lab, contestant, database, WARM_UP)
        _until_done(database, WARM_UP)
        database.rename_people()
        yield [server.process.pid for server in running if server.process]


@contextmanager
def _running(
    process: Process, lab: Lab, contestant: Contestant, database: Database, number: int
) -> Iterator[servers.Server]:
    log = SCRATCH / f"{contestant.name}-{number}.log"
    env = {**_environment(lab, contestant, database), **process.env}
    with servers.running(servers.Server(*process.command, log=log, env=env), says=process.says) as server:
        wait_for(
            lambda: log.read_text(errors="replace").count(process.says) >= process.times, f"all say {process.says}"
        )
        try:
            yield server
        except NoFigure as error:
            error.add_note(log.read_text(errors="replace")[-LOG_SHOWN:])
            raise


def _environment(lab: Lab, contestant: Contestant, database: Database) -> dict[str, str]:
    return {**lab.variables, **contestant.env, "DATABASE_URL": database.url}


def _sign_in(lab: Lab, contestant: Contestant, database: Database, count: int) -> float:
    """``count`` people sign in, one after the other; returns the seconds that this took of the processor."""
    command = [sys.executable, "-m", "benchmarks.throughput.fill", str(count)]
    env = {**os.environ, **_environment(lab, contestant, database)}
    return float(subprocess.run(command, cwd=servers.CHECKOUT, env=env, check=True, stdout=subprocess.PIPE).stdout)  # noqa: S603


@contextmanager
def frozen(parents: Sequence[int], database: Database) -> Iterator[None]:
    """Meanwhile the processes, each with its group, do nothing; and none of them holds a lock."""
    try:
        wait_for(lambda: _freeze(parents, database), "the processes hold no lock")
        yield
    finally:
        _signal(parents, signal.SIGCONT)


def _freeze(parents: Sequence[int], database: Database) -> bool:
    """False, and they go on, where one was in the middle of a transaction that has written."""
    _signal(parents, signal.SIGSTOP)
    wait_for(lambda: not database.are_others_active(), "statements end")
    if not database.have_others_written():
        return True
    _signal(parents, signal.SIGCONT)
    wait_for(lambda: not database.have_others_written(), "transactions end")
    return False


def _signal(parents: Sequence[int], number: signal.Signals) -> None:
    for pid in parents:
        os.killpg(pid, number)


def _until_done(database: Database, workflows: int) -> None:
    """Raises NoFigure."""
    until = time.monotonic() + PATIENCE + workflows / SLOWEST
    while (done := database.verdicts()) < workflows:
        if time.monotonic() > until:
            raise NoFigure(f"{done} verdicts of {workflows}")
        time.sleep(PAUSE)
