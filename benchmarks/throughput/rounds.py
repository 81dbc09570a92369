"""Every contestant in turn, round by round, beginning with another one each time."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from benchmarks import usage
from benchmarks.throughput.contestants import Contestant
from benchmarks.throughput.lab import Lab
from benchmarks.throughput.turns import Costs, Counter, NoFigure, Turn, turn

# Of a contestant's name, its turns, a round each.
Rounds = Mapping[str, Sequence[Turn]]

# How often a turn is measured again where others disturbed it, and for how many seconds they have to be quiet before.
ATTEMPTS = 20
LULL = 3.0


class NoCounter:
    """Where time alone is measured."""

    def read(self, *args: object) -> Costs:
        return {}

    def between(self, *args: object, **kwargs: object) -> Costs:
        return {}


def rounds(
    lab: Lab,
    contestants: Sequence[Contestant],
    *,
    count: int,
    workflows: int,
    counter: Counter | None = None,
    quiet: float = math.inf,
) -> Rounds:
    """``count`` rounds of ``workflows`` by each. Raises turns.NoFigure.

    A turn in which others on this machine took more than ``quiet`` % of a core is measured again.
    """
    measure = partial(turn, lab, workflows=workflows, counter=counter or NoCounter())
    measured: dict[str, list[Turn]] = {contestant.name: [] for contestant in contestants}
    for number in range(count):
        first = number % len(contestants)
        for contestant in [*contestants[first:], *contestants[:first]]:
            one = _undisturbed(partial(measure, contestant), quiet)
            measured[contestant.name].append(one)
            _say(f"round {number + 1}: {contestant.title} {one.rate:.1f} a second")
    return measured


def ratios(turns: Sequence[Turn], others: Sequence[Turn]) -> list[float]:
    """Of the rates, round by round: within one, the machine was the same."""
    return [one.rate / other.rate for one, other in zip(turns, others, strict=True)]


def _undisturbed(measure: Callable[[], Turn], quiet: float) -> Turn:
    for _ in range(ATTEMPTS):
        _wait_for_lull(quiet)
        one = measure()
        if one.others <= quiet:
            return one
        _say(f"once more: others took {one.others:.0f} % of a core, and it did {one.rate:.1f} a second")
    raise NoFigure(f"others took more than {quiet:g} % of a core {ATTEMPTS} times")


def _wait_for_lull(quiet: float) -> None:
    """This process does nothing meanwhile, nor does what it has started: who works is others."""
    while quiet < math.inf:
        before = usage.machine()
        time.sleep(LULL)
        if 100 * (usage.machine() - before) / LULL <= quiet:
            return


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
