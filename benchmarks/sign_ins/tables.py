"""The tables, from the figures of latency.py, requests.py and outages.py."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.page import table
from benchmarks.spread import percentile, with_middle_half, with_range

Figures = dict[str, Any]
Rounds = list[Figures]

# What is measured of a sign-in, each in milliseconds, and how the table calls it.
MOMENTS = {"page": "page", "verdict": "verdict", "run": "run ended"}
# Seconds from the last sign-in to the last verdict above which the rate was more than the machine carries.
BEHIND = 1.0
# What has to be there though nobody signs in.
UPKEEP = ("worker", "beat")


def latency(figures: Figures) -> str:
    rounds = figures["rounds"]
    parts = [_moments(rounds), _carried(rounds), _processor(rounds), _upkeep(figures)]
    return "\n\n".join(part for part in parts if part)


def _moments(rounds: dict[str, Rounds]) -> str:
    head = ["sign-ins", *(f"{name}, {what}" for name in MOMENTS.values() for what in ("p50", "p99"))]
    return table([*head, "last verdict"], [_moments_row(kind, ones) for kind, ones in rounds.items()])


def _moments_row(kind: str, rounds: Rounds) -> list[str]:
    cells = [
        with_range([percentile(one[moment], percent) for one in rounds]) + " ms"
        for moment in MOMENTS
        for percent in (50, 99)
    ]
    return [kind, *cells, with_range([one["behind"] for one in rounds], ".2f") + " s"]


def _carried(rounds: dict[str, Rounds]) -> str:
    """Of the rates that were too high, how many verdicts a second there were instead."""
    behind = {kind: median(one["behind"] for one in ones) for kind, ones in rounds.items()}
    return "\n".join(
        f"{kind} is more than this machine carries: "
        f"{median(one['carried'] for one in rounds[kind]):.0f} verdicts a second came of it."
        for kind, seconds in behind.items()
        if seconds > BEHIND
    )


def _processor(rounds: dict[str, Rounds]) -> str:
    names = list(next(iter(rounds.values()))[0]["processor"])
    rows = []
    for kind, ones in rounds.items():
        spent = [median(one["processor"][name] for one in ones) for name in names]
        rows.append([kind, *(f"{ms:.1f}" for ms in [*spent, sum(spent)])])
    others = with_range([one["others"] for ones in rounds.values() for one in ones])
    return (
        f"Of the processor, milliseconds a sign-in; others on this machine took {others} % of a core meanwhile:\n\n"
        + table(["sign-ins", *names, "together"], rows)
    )


def _upkeep(figures: Figures) -> str:
    memory, idle = figures["memory"], figures["idle"]
    rows = [
        [name, str(one["processes"]), f"{one['pss']:.0f}", f"{one['rss']:.0f}", f"{idle[name]:.2f} %"]
        for name, one in memory.items()
    ]
    together = sum(idle[name] for name in UPKEEP)
    sums = [f"{sum(one[kind] for one in memory.values()):.0f}" for kind in ("processes", "pss", "rss")]
    rows.append(["together", *sums, f"{sum(idle.values()):.2f} %"])
    head = ["part", "processes", "PSS, MiB", "RSS, MiB", "idle, of one core"]
    return f"{table(head, rows)}\n\nIdle, {' and '.join(UPKEEP)} take {together:.2f} % of a core together."


def requests(figures: Figures) -> str:
    counts = {name: len(statements) for name, statements in figures["statements"].items()}
    added = counts["with"] - counts["without"]
    rows = [["any", "statements", str(counts["with"]), str(counts["without"]), str(added)]]
    for concurrent, rounds in figures["rounds"].items():
        rows += [[concurrent, *row] for row in _request_rows(rounds["with"], rounds["without"])]
    return table(["signing in at once", "", "with the producer", "without", "it adds"], rows)


def _request_rows(with_it: Rounds, without: Rounds) -> list[list[str]]:
    """Medians and the processor's time are compared within each round, where the machine was the same."""
    pages = [[median(one["page"]) for one in rounds] for rounds in (with_it, without)]
    spent = [[one["processor"] for one in rounds] for rounds in (with_it, without)]
    with_tail, tail = (percentile([ms for one in rounds for ms in one["page"]], 99) for rounds in (with_it, without))
    return [
        ["ms, median", *_compared(*pages)],
        ["ms, p99 of all", f"{with_tail:.1f}", f"{tail:.1f}", f"{with_tail - tail:.1f}"],
        ["processor, ms", *_compared(*spent)],
    ]


def outages(figures: dict[str, Rounds]) -> str:
    rows = []
    for does, rounds in figures.items():
        none = [median(one["without"]) for one in rounds]
        if does != "answers":
            rows.append([does, "the first", *_compared([one["first"] for one in rounds], none)])
        rows.append([does, "the others", *_compared([median(one["behind"]) for one in rounds], none)])
    return table(["Redis", "sign-ins", "with the producer, ms", "without, ms", "it adds, ms"], rows)


def _compared(with_it: list[float], without: list[float]) -> list[str]:
    added = [one - other for one, other in zip(with_it, without, strict=True)]
    return [with_middle_half(values) for values in (with_it, without, added)]
