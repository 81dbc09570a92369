"""From a sign-in to its verdict at steady rates, and what the site takes when that is over; __main__.py starts it.

The whole site runs, as the Procfile has it. People sign in over HTTP, and the database says when what was done. In each
round every rate comes once, beginning with another one each time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import Any

from django.core.management import call_command
from django.db.models import Max
from django.test.utils import override_settings

from accounts.models import SignIn
from benchmarks import site, usage
from benchmarks.sign_ins.visitors import Visitors, at_rate
from benchmarks.site import Web
from benchmarks.usage import Parts
from tests.waiting import wait_for
from workflows.models import Run

REAL_HASH = "5 a second, Argon2"
# How many sign in a second, and how many in a round.
KINDS = {"5 a second": (5.0, 75), "20 a second": (20.0, 200), "50 a second": (50.0, 400), REAL_HASH: (5.0, 75)}
# The first of each process are slow: so many a second, and how many.
WARM_UP = (10.0, 40)
# More than sign in within some seconds, and no multiple of 20: the new devices are everybody's in turn.
PEOPLE = 399
# Seconds in which all runs have to end.
PATIENCE = 120.0
# Seconds without a sign-in before idleness is measured: what still ends then does not go on for ever.
SETTLING = 15.0

Figures = dict[str, Any]


class NoVerdict(Exception):
    """A run has ended without one."""


def rounds(count: int, real: Web, parts: Parts) -> dict[str, list[Figures]]:
    """``count`` of them, by the name of the kind."""
    measured: dict[str, list[Figures]] = {name: [] for name in KINDS}
    cheap_people, real_people = Visitors("cheap", PEOPLE), Visitors("real", PEOPLE, hasher="default")
    with site.web(site.CHEAP_HASH) as cheap:
        for people, web in ((cheap_people, cheap), (real_people, real)):
            figures(people, web, parts, *WARM_UP)
        for number in range(count):
            first = number % len(KINDS)
            for name in [*KINDS, *KINDS][first : first + len(KINDS)]:
                people, web = (real_people, real) if name == REAL_HASH else (cheap_people, cheap)
                measured[name].append(figures(people, web, {**parts, "web": web.pid}, *KINDS[name]))
    return measured


def figures(people: Visitors, web: Web, parts: Parts, rate: float, count: int) -> Figures:
    """Of each sign-in the milliseconds to its page, its verdict and its run's end, and what the processor did."""
    last = SignIn.objects.aggregate(last=Max("pk"))["last"]
    watch = Watch(parts)
    pages = asyncio.run(at_rate(partial(people.sign_in, web.port), rate=rate, count=count))
    wait_for_runs()
    return {"page": pages, **moments(last), **watch.seen(count)}


class Watch:
    """Looks at the processor from its making on."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._began, self._machine = time.monotonic(), usage.machine()
        self._before = self._seconds()

    def seen(self, count: int) -> Figures:
        """Milliseconds for each of ``count`` sign-ins, by part; per cent of a core that ``others`` took meanwhile."""
        after, machine = self._seconds(), usage.machine() - self._machine
        spent = {name: after[name] - before for name, before in self._before.items()}
        others = 100 * (machine - sum(spent.values())) / (time.monotonic() - self._began)
        return {"processor": {name: 1000 * seconds / count for name, seconds in spent.items()}, "others": others}

    def _seconds(self) -> dict[str, float]:
        return usage.processor(self._parts) | {"client": time.process_time()}


def wait_for_runs() -> None:
    """Until all have ended."""
    unfinished = Run.objects.filter(state__in=Run.UNFINISHED)
    wait_for(lambda: not unfinished.exists(), "all runs have ended", seconds=PATIENCE)


def moments(last: int) -> Figures:
    """Of the sign-ins after the one of this number. Raises NoVerdict.

    ``behind``: seconds from the last of them to the last verdict; ``carried``: verdicts a second.
    """
    rows = SignIn.objects.filter(pk__gt=last).values_list("created_at", "verdict__created_at", "run__finished_at")
    signed_in, verdicts, ends = zip(*rows, strict=True)
    if None in verdicts:
        raise NoVerdict(f"{verdicts.count(None)} of {len(verdicts)} sign-ins have none")
    return {
        "verdict": [_ms(end - begin) for begin, end in zip(signed_in, verdicts, strict=True)],
        "run": [_ms(end - begin) for begin, end in zip(signed_in, ends, strict=True)],
        "behind": (max(verdicts) - max(signed_in)).total_seconds(),
        "carried": len(verdicts) / (max(verdicts) - min(signed_in)).total_seconds(),
    }


def _ms(span: timedelta) -> float:
    return span / timedelta(milliseconds=1)


def idle_processor(parts: Parts, seconds: float) -> dict[str, float]:
    """Per cent of one core that each part takes in so many ``seconds`` while nobody signs in."""
    time.sleep(SETTLING)
    before, began = usage.processor(parts), time.monotonic()
    time.sleep(seconds)
    after, passed = usage.processor(parts), time.monotonic() - began
    return {name: 100 * (after[name] - before[name]) / passed for name in parts}


def measure(*, count: int, idle_seconds: float) -> Figures:
    with site.everything() as (real, parts):
        measured = rounds(count, real, parts) if count else {}
        memory = {name: asdict(one) for name, one in usage.memory(parts).items()}
        return {"rounds": measured, "memory": memory, "idle": idle_processor(parts, idle_seconds)}


def main(count: str, idle_seconds: str) -> None:
    """Prints what was measured, as JSON."""
    call_command("migrate", verbosity=0)
    with override_settings(DEBUG=False):
        measured = measure(count=int(count), idle_seconds=float(idle_seconds))
    json.dump(measured, sys.stdout)
