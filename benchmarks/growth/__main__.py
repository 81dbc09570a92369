"""What everything costs on a site with many sign-ins: `make bench-growth`, which writes it into docs/scale.md.

One person's history is made by the site itself (person.py) and copied to a small site and to a big one (fill.py), two
databases of one private server. Then everything is measured on both, side by side. Before the big one is filled,
smaller ones tell how much room and time it takes; where there is less, it becomes smaller.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.growth import text
from benchmarks.growth.fill import SIGN_INS_A_PERSON, fill, site_of
from benchmarks.growth.server import AT_WORK, big_server, copy_database, drop_database, set_up
from benchmarks.growth.sides import side_by_side
from benchmarks.growth.sizes import GB, free, most_sign_ins, sizes
from benchmarks.growth.text import BIG, SMALL
from benchmarks.growth.throughput import turn_in
from benchmarks.process import end_in_order, measured
from benchmarks.throughput.lab import Lab, laboratory

PERSON, COSTS = "benchmarks.growth.person", "benchmarks.growth.costs"
TEMPLATE, TRIAL = "person", "trial"
SMALL_SIGN_INS = 5_000
# Filled first, to tell what the big one would take.
TRIALS = (100_000, 1_000_000)

Figures = dict[str, Any]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def filled(server: str, name: str, sign_ins: int) -> Figures:
    """The database ``name``, filled: its URL, who is in it, sizes in bytes, and seconds."""
    say(f"{name}: {sign_ins:,} sign-ins")
    site, url = site_of(sign_ins), copy_database(server, name, template=TEMPLATE)
    began = time.monotonic()
    phases = fill(url, site)
    seconds, tables = time.monotonic() - began, sizes(url)
    size = sum(table["heap"] + table["indexes"] for table in tables)
    say(f"{name}: {seconds:,.0f} s, {size / GB:.2f} GB; {free() / GB:.1f} GB are free")
    people = {"first": site.of_one + 1, "last": site.people}
    return {
        "url": url,
        "sign_ins": sign_ins,
        "seconds": seconds,
        "phases": phases,
        "bytes": size,
        "tables": tables,
    } | people


def trials(server: str, sign_ins: int) -> list[Figures]:
    """Smaller sites, filled and thrown away."""
    figures = []
    for count in TRIALS:
        if count < sign_ins:
            figures.append(filled(server, TRIAL, count))
            drop_database(server, TRIAL)
    return figures


def turns(lab: Lab, sites: dict[str, Figures], *, count: int, workflows: int) -> dict[str, list[Figures]]:
    """``count`` turns in each site, beginning with the other one each time; one before them is not kept."""
    done: dict[str, list[Figures]] = {name: [] for name in sites}
    for number in range(count + 1):
        for name in sorted(sites, reverse=bool(number % 2)):
            done[name].append(asdict(turn_in(lab, sites[name]["url"], workflows=workflows)))
            say(f"turn {number} of {count}, {name}: {done[name][-1]['rate']:.1f} workflows a second")
    return {name: kept[1:] for name, kept in done.items()}


def measure(options: argparse.Namespace) -> Figures:
    with big_server() as server, laboratory(server) as lab:
        template = copy_database(server, TEMPLATE, template="template1")
        measured(PERSON, SIGN_INS_A_PERSON, url=template)
        tried = trials(server, options.sign_ins)
        sign_ins = most_sign_ins(options.sign_ins, tried[-1]) if tried else options.sign_ins
        sites = {SMALL: filled(server, SMALL, SMALL_SIGN_INS), BIG: filled(server, BIG, sign_ins)}
        set_up(server, AT_WORK)
        people = {name: (site["first"], site["last"]) for name, site in sites.items()}
        costs = side_by_side(COSTS, people, {name: site["url"] for name, site in sites.items()})
        done = turns(lab, sites, count=options.rounds, workflows=options.workflows)
    return {"wanted": options.sign_ins, "trials": tried, "sites": sites, "costs": costs, "turns": done}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sign-ins", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workflows", type=int, default=400, help="of a round's turn through a real worker")
    parser.add_argument("--figures", type=Path, help="a file for all that was measured; where it is there, it is told")
    options = parser.parse_args()
    end_in_order()
    if options.figures and options.figures.exists():
        figures = json.loads(options.figures.read_text())
    else:
        figures = measure(options)
        if options.figures:
            options.figures.write_text(json.dumps(figures))
    text.write_figures(figures)


if __name__ == "__main__":
    main()
