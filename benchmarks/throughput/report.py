"""The tables of what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.page import table
from benchmarks.spread import with_range
from benchmarks.throughput.contestants import CANVAS, Contestant
from benchmarks.throughput.plot import Bar
from benchmarks.throughput.rounds import Rounds, ratios
from benchmarks.throughput.turns import Costs, Turn

COUNTS = {"statements": ("statements", ".1f"), "commits": ("commits", ".1f"), "wal": ("WAL, bytes", ",.0f")}
REDIS = {"messages": ("messages", ".1f"), "commands": ("Redis commands", ".1f")}
SERVERS = {"cpu_postgresql": ("PostgreSQL, ms", ".1f"), "cpu_redis": ("Redis, ms", ".1f")}
QUEUED = {**COUNTS, **REDIS, "cpu_producer": ("who signs in, ms", ".1f"), **SERVERS}
WORKED = {
    **COUNTS,
    **REDIS,
    "cpu_parents": ("worker, parents, ms", ".1f"),
    "cpu_children": ("worker, children, ms", ".1f"),
    **SERVERS,
}


def by_rate(contestants: Sequence[Contestant], rounds: Rounds) -> list[Contestant]:
    """The fastest first."""
    return sorted(contestants, key=lambda one: -median(_rates(rounds[one.name])))


def rates(contestants: Sequence[Contestant], rounds: Rounds, left: Mapping[str, int], *, wiped: int) -> str:
    """``left``: by name, of how many workflows of ``wiped`` there is a verdict though Redis lost all it had."""
    rows = [
        [
            one.title,
            with_range(_rates(rounds[one.name])),
            with_range(ratios(rounds[one.name], rounds[CANVAS.name]), ".2f") if CANVAS.name in rounds else "",
            f"{left[one.name]} of {wiped}" if one.name in left else "",
        ]
        for one in contestants
    ]
    return table(["", "workflows a second", "against the stock canvas", "done though Redis was wiped"], rows)


def costs(contestants: Sequence[Contestant], rounds: Rounds) -> str:
    """What one workflow costs, by contestant: while it is queued, and while it is worked off."""
    queued = {one.title: [turn.queued for turn in rounds[one.name]] for one in contestants}
    worked = {one.title: [turn.worked for turn in rounds[one.name]] for one in contestants}
    return "\n\n".join(
        [
            "To queue one, the sign-in's own row included:",
            _costs(queued, QUEUED),
            "To work one off:",
            _costs(worked, WORKED),
            _others([turn.others for one in contestants for turn in rounds[one.name]]),
        ]
    )


def bars(contestants: Sequence[Contestant], rounds: Rounds, left: Mapping[str, int], *, wiped: int) -> list[Bar]:
    return [Bar(one.title, _rates(rounds[one.name]), keeps=left.get(one.name) == wiped) for one in contestants]


def _costs(costs: Mapping[str, Sequence[Costs]], columns: Mapping[str, tuple[str, str]]) -> str:
    """The medians of the rounds; nothing where it could not be counted."""
    rows = [
        [title, *(_cell([one[name] for one in rounds if name in one], form) for name, (_, form) in columns.items())]
        for title, rounds in costs.items()
    ]
    return table(["", *(head for head, _ in columns.values())], rows)


def _cell(values: Sequence[float], form: str) -> str:
    return f"{median(values):{form}}" if values else ""


def _others(shares: Sequence[float]) -> str:
    return f"Others on this machine took {with_range(shares)} % of a core meanwhile."


def _rates(turns: Sequence[Turn]) -> list[float]:
    return [turn.rate for turn in turns]
