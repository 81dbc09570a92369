"""Workflows a second, ours against the peers: `make bench-throughput`, which writes docs/performance.md.

On a private PostgreSQL and a private broker, in rounds that take the contestants in turn. How: turns.py.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from contextlib import closing

from benchmarks.page import PAGE, machine, write
from benchmarks.process import end_in_order
from benchmarks.throughput import plot, report
from benchmarks.throughput.contestants import CONTESTANTS, PROCESSES, Contestant
from benchmarks.throughput.costs import Counters, counting_postgresql
from benchmarks.throughput.lab import Lab, laboratory
from benchmarks.throughput.rounds import rounds
from benchmarks.throughput.turns import left_after_wipe

COMMAND = "make bench-throughput"
PLOT = PAGE.parent / "performance-throughput.svg"
# Seconds that workflows get which were queued when Redis was wiped: recovery needs some 5.
PATIENCE = 30.0


def left(lab: Lab, contestants: Sequence[Contestant], *, wiped: int) -> dict[str, int]:
    """By name, how many of ``wiped`` workflows each contestant does though Redis lost all it had."""
    counted = {}
    for contestant in contestants:
        counted[contestant.name] = left_after_wipe(lab, contestant, workflows=wiped, seconds=PATIENCE)
        print(f"wiped: {contestant.title} did {counted[contestant.name]} of {wiped}", file=sys.stderr, flush=True)
    return counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workflows", type=int, default=1000, help="by each contestant in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--wiped", type=int, default=40, help="workflows queued when Redis is wiped; 0: none")
    names = [one.name for one in CONTESTANTS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    again = "measure a turn again in which others took more than so many per cent of a core"
    parser.add_argument("--quiet", type=float, default=math.inf, metavar="PERCENT", help=again)
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    options = parser.parse_args()
    end_in_order()
    chosen = [one for one in CONTESTANTS if one.name in options.only]
    with counting_postgresql() as url, laboratory(url) as lab, closing(Counters(lab)) as counters:
        wanted = {"count": options.rounds, "workflows": options.workflows, "quiet": options.quiet}
        measured = rounds(lab, chosen, counter=counters, **wanted)
        kept = left(lab, chosen, wiped=options.wiped) if options.wiped else {}
    fastest_first = report.by_rate(chosen, measured)
    done = f"{options.rounds} rounds of {options.workflows} workflows by each in turn"
    title = f"{done}; {PROCESSES} processes of each peer"
    text = "\n\n".join(
        [
            f"{title} ({machine()}):",
            report.rates(fastest_first, measured, kept, wiped=options.wiped),
            report.costs(fastest_first, measured),
        ]
    )
    print(text)
    if options.write:
        write(COMMAND, text)
        bars = report.bars(fastest_first, measured, kept, wiped=options.wiped)
        plot.write(PLOT, bars, title="Workflows of five steps a second, median and range of the rounds")


if __name__ == "__main__":
    main()
