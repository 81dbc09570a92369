"""`python -m benchmarks.sign_ins`: all parts, or those that are named, each into its place in docs/performance.md."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.page import machine, write
from benchmarks.process import end_in_order, measured
from benchmarks.sign_ins import plot, tables
from loginwatch.chaos.postgresql import postgresql

COMMAND = "make bench-sign-ins"
IDLE_SECONDS = 60.0


@dataclass(frozen=True)
class Part:
    """``text`` makes the page's of what was measured in so many ``rounds``."""

    rounds: int
    text: Callable[[Any], str]
    arguments: tuple[float, ...] = ()


PARTS = {
    "latency": Part(3, tables.latency, (IDLE_SECONDS,)),
    "requests": Part(24, tables.requests),
    "outages": Part(8, tables.outages),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, help="of each part, instead of its own number")
    options = parser.parse_args()
    end_in_order()
    for name in options.only:
        part = PARTS[name]
        rounds = options.rounds or part.rounds
        with postgresql() as url:
            figures = measured(f"benchmarks.sign_ins.{name}", rounds, *part.arguments, url=url)
        text = f"{rounds} rounds ({machine()}):\n\n{part.text(figures)}"
        print(text, flush=True)
        write(f"{COMMAND}, {name}", text)
        if name == "latency":
            plot.draw(figures["rounds"])


if __name__ == "__main__":
    main()
