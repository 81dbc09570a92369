"""What things cost on one database, step by step, in a process that waits while another has its turn."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator

from accounts.models import User
from benchmarks import site
from benchmarks.growth import operator, pages, records, upkeep
from benchmarks.growth.fill import OF_BUSIEST
from benchmarks.growth.person import cheap
from benchmarks.growth.sides import DONE
from benchmarks.growth.watch import Watch

# Of how many people the pages are asked for, and how many sign in.
PEOPLE = 60


def main(first: str, last: str) -> None:
    """Takes a step for each line that it is given; prints in the end what the watch has, as JSON.

    ``first`` and ``last``: the ids of the people with the usual history. Who comes before has most sign-ins of all.
    """
    watch = Watch()
    with site.broker(), cheap():
        for _ in steps(watch, int(first), int(last)):
            print(DONE, flush=True)
            sys.stdin.readline()
    json.dump({"ms": watch.ms, "slowest": watch.slowest}, sys.stdout)


def steps(watch: Watch, first: int, last: int) -> Iterator[None]:
    """Those of a small site and of a big one are the same, in the same order."""
    chance = random.Random(last)  # noqa: S311  a sample, no secret
    some = [User.objects.get(pk=chance.randint(first, last)) for _ in range(2 * PEOPLE)]
    busiest = User.objects.get(pk=1) if first > 1 else some[0]
    pages.warm_up(some[0])
    yield
    yield from pages.look_around(watch, some[:PEOPLE], "")
    yield from pages.sign_in(watch, some[PEOPLE:], "")
    yield from pages.look_around(watch, [busiest] * PEOPLE, OF_BUSIEST)
    yield from pages.sign_in(watch, [busiest] * PEOPLE, OF_BUSIEST)
    upkeep.end_all_runs()
    yield from upkeep.catch_up(watch)
    yield from upkeep.idle(watch)
    yield from upkeep.recover(watch)
    yield from upkeep.retain(watch)
    yield from operator.administrate(watch, last)
    yield from records.look_at(watch, last)
