"""A backlog of runs, in this process and those that it starts; benchmarks/backlog.py starts it."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.core.management import call_command
from django.db.models import Count, F, Sum
from django.test.utils import override_settings

from benchmarks import people
from loginwatch.demo.processes import read_procfile
from tests import servers
from tests.environment import SCRATCH
from workflows.models import Run, Step

# Seconds between two looks at the queue, and without the end of any step until nobody waits any longer.
PAUSE = 5.0
PATIENCE = 300.0
# Of a run's steps.
QUEUES = ("risk", "mail", "under_way", "sign_in")


@dataclass(frozen=True)
class Sample:
    """``seconds`` since the first sign-in; messages; steps done; runs ended, and published more than once."""

    seconds: float
    queued: int
    steps: int
    ended: int
    published_again: int


class StandsStill(Exception):
    """No step has ended for PATIENCE seconds, and there are unfinished runs."""


class Watch:
    """Looks at the broker and the ledger, and keeps what it saw."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._began = time.monotonic()
        self._broker = redis.Redis.from_url(os.environ["REDIS_URL"])

    def look(self) -> Sample:
        sample = Sample(
            seconds=time.monotonic() - self._began,
            queued=sum(map(self._broker.llen, QUEUES)),
            steps=Step.objects.filter(state=Step.State.SUCCEEDED).count(),
            ended=Run.objects.exclude(state__in=Run.UNFINISHED).count(),
            published_again=Run.objects.filter(published__gt=1).count(),
        )
        self.samples.append(sample)
        print(", ".join(f"{what} {value:.0f}" for what, value in asdict(sample).items()), file=sys.stderr, flush=True)
        return sample

    def until(self, done: Callable[[Sample], bool]) -> Sample:
        """The first sample of which ``done`` is true, looking every PAUSE seconds."""
        while not done(sample := self.look()):
            time.sleep(PAUSE)
        return sample

    def until_all_ended(self, runs: int) -> Sample:
        """Raises StandsStill."""
        moved = self.samples[-1]

        def all_ended(sample: Sample) -> bool:
            nonlocal moved
            if sample.steps > moved.steps:
                moved = sample
            if sample.seconds - moved.seconds > PATIENCE:
                raise StandsStill(f"{sample}; the logs are in {SCRATCH} until this process ends")
            return sample.ended == runs

        return self.until(all_ended)


def command(name: str, *options: str) -> list[str]:
    """A command of the Procfile, from this environment, with further options, of which the last counts."""
    program, *arguments = shlex.split(read_procfile((servers.CHECKOUT / "Procfile").read_text())[name])
    return [str(servers.BIN / program), *arguments, *options]


def variables() -> dict[str, str]:
    """What the processes are told beside the environment of the tests: to work as in production."""
    bind = urlsplit(os.environ["RISK_API_URL"]).netloc
    risk = {"RISK_API_BIND": bind, "RISK_API_STORE": str(SCRATCH / "risk.sqlite3")}
    return {
        "DEBUG": "0",
        "SITE_URL": "https://testserver",
        "DATABASE_URL": os.environ["DATABASE_URL"],
        "RISK_API_SECRET": settings.RISK_API_SECRET,
        **risk,
    }


def worker(name: str, queue: str, *more: str, processes: int) -> servers.Server:
    options = ("-Q", queue, "--concurrency", str(processes), "--hostname", f"{name}@%h", *more)
    return servers.Server(*command("worker", *options), log=SCRATCH / f"{name}.log", env=variables())


@contextmanager
def all_but_sign_in_workers() -> Iterator[servers.Server]:
    """Broker, risk service, beat, and a worker for what keeps the site going, which is yielded."""
    broker = servers.broker(port=urlsplit(os.environ["REDIS_URL"]).port or 0, folder=SCRATCH)
    risk = servers.Server(*command("risk"), log=SCRATCH / "risk.log", env=variables())
    system = worker("system", "system", "--loglevel", "DEBUG", processes=1)  # recoveries() reads its log
    beat = servers.Server(*command("beat", "--loglevel", "INFO"), log=SCRATCH / "beat.log", env=variables())
    with (
        servers.running(broker, says=servers.BROKER_IS_READY),
        servers.running(risk, says="Listening at"),
        servers.running(system, says=servers.WORKER_IS_READY),
        servers.running(beat, says="beat: Starting"),
    ):
        yield system


@contextmanager
def sign_in_workers(count: int) -> Iterator[None]:
    with ExitStack() as stack:
        for number in range(count):
            one = worker(f"sign-in-{number}", ",".join(QUEUES), processes=2)
            stack.enter_context(servers.running(one, says=servers.WORKER_IS_READY))
        yield


def recoveries(system: servers.Server) -> int:
    """How often recovery ran to its end, by the log of the worker that runs it."""
    lines = system.log.read_text(errors="replace").splitlines()
    return sum("Task workflows.periodic.recover[" in line and "succeeded" in line for line in lines)


def states() -> dict[str, int]:
    return dict(Run.objects.values_list("state").annotate(Count("pk")).order_by("state"))


def surplus() -> int:
    """How many canvases were handed to the broker beyond the first of each run."""
    again = Run.objects.filter(published__gt=1).aggregate(canvases=Sum(F("published") - 1))
    return again["canvases"] or 0


def measure(*, runs: int, minutes: float, workers: int) -> dict[str, Any]:
    with all_but_sign_in_workers() as system:
        watch = Watch()
        people.sign_in(runs)
        filled = watch.look()
        stopped = watch.until(lambda sample: sample.seconds >= filled.seconds + 60 * minutes)
        before = recoveries(system)
        with sign_in_workers(workers):
            ended = watch.until_all_ended(runs)
        return {
            "filled": asdict(filled),
            "stopped": asdict(stopped),
            "ended": asdict(ended),
            "samples": [asdict(sample) for sample in watch.samples],
            "recoveries": {"before": before, "after": recoveries(system) - before},
            "states": states(),
            "surplus": surplus(),
        }


def main(runs: str, minutes: str, workers: str) -> None:
    """Prints what was measured, as JSON."""
    call_command("migrate", verbosity=0)
    with override_settings(DEBUG=False):
        measured = measure(runs=int(runs), minutes=float(minutes), workers=int(workers))
    json.dump(measured, sys.stdout)
