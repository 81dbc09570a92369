"""The sign-in's request while Redis is away, with Loginwatch's producer and without it; __main__.py starts it.

Redis refuses where its process has ended, and accepts and stays silent where it is stopped. The server with the
producer is one process, with one breaker: the first sign-in of an outage finds it closed, those behind it find it open.
They alternate with sign-ins at a server without the producer.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.test.utils import override_settings

from benchmarks import site
from benchmarks.sign_ins.visitors import Visitors
from benchmarks.site import Web
from tests import servers
from workflows import publishing

# Sign-ins at each server in a round, behind the first: all of them while the breaker is open.
BEHIND = 40
# Sign-ins at each server before: the first of each thread are slow, and the connection to the broker is to be there.
WARM_UP = 20
# Seconds beyond the breaker's.
MARGIN = 0.2
# No multiple of 20: the new devices are everybody's in turn.
PEOPLE = 399

Figures = dict[str, Any]


@contextmanager
def answering(broker: servers.Server) -> Iterator[None]:
    yield


@contextmanager
def refusing(broker: servers.Server) -> Iterator[None]:
    broker.kill()
    yield
    broker.start(says=servers.BROKER_IS_READY)


@contextmanager
def hanging(broker: servers.Server) -> Iterator[None]:
    broker.signal(signal.SIGSTOP)
    yield
    broker.signal(signal.SIGCONT)


BROKERS = {"answers": answering, "refuses": refusing, "hangs": hanging}


def rounds(count: int) -> dict[str, list[Figures]]:
    """``count`` of them, by what the broker does, as ``figures`` has them."""
    people = Visitors("visitor", PEOPLE)
    measured: dict[str, list[Figures]] = {name: [] for name in BROKERS}
    with (
        site.broker() as broker,
        site.web(site.CHEAP_HASH, WEB_CONCURRENCY="1") as with_it,
        site.web(site.NO_PRODUCER, WEB_CONCURRENCY="1") as without,
    ):
        for _ in range(count):
            for name, away in BROKERS.items():
                asyncio.run(figures(people, with_it, without, WARM_UP))
                with away(broker):
                    measured[name].append(asyncio.run(figures(people, with_it, without, BEHIND)))
                if name != "answers":
                    time.sleep(publishing.REST + MARGIN)
    return measured


async def figures(people: Visitors, with_it: Web, without: Web, count: int) -> Figures:
    """Milliseconds of the answers of the first sign-in and of those behind it, and of those without the producer."""
    first = await people.sign_in(with_it.port)
    pairs = [(await people.sign_in(with_it.port), await people.sign_in(without.port)) for _ in range(count)]
    behind, none = zip(*pairs, strict=True)
    return {"first": first, "behind": behind, "without": none}


def main(count: str) -> None:
    """Prints what was measured, as JSON."""
    call_command("migrate", verbosity=0)
    with override_settings(DEBUG=False):
        measured = rounds(int(count))
    json.dump(measured, sys.stdout)
