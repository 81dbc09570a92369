"""What was measured, as a table in docs/scale.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.growth.text import SCALE
from benchmarks.page import machine, table, write
from benchmarks.spread import percentile

COMMAND = "make bench-bulk"
# In the order of the page.
NAMES = ("export", "sign-out", "notice")
# How many times what it is idle the p99 of a verdict may be.
MOST = 2.0
# At which parts of the rows the worker's memory is told.
PARTS = (0.1, 0.5, 1.0)
MB = 2**20

Figures = dict[str, Any]


def is_whole(figures: Figures) -> bool:
    return set(NAMES) <= set(figures["jobs"])


def wrong(figures: Figures) -> list[str]:
    return [
        f"{name}, {one['rows']:,} rows: {sentence}"
        for name, job in figures["jobs"].items()
        for one in (job["fewer"], job["all"])
        for sentence in one["wrong"]
    ]


def tell(figures: Figures, *, write_it: bool) -> None:
    """Raises ValueError where the page has no place for it."""
    text = _text(figures)
    print(text)
    if write_it:
        write(COMMAND, text, page=SCALE)


def _text(figures: Figures) -> str:
    idle = [ms for job in figures["jobs"].values() for ms in job["idle"]]
    names = [name for name in NAMES if name in figures["jobs"]]
    rows = [[head, *(cell(figures["jobs"][name], idle) for name in names)] for head, cell in ROWS.items()]
    return (
        f"{figures['rows']:,} rows of each, and {figures['rate']:g} sign-ins a second all the while ({machine()}). "
        f"Idle, with the same sign-ins, the verdict is there after {percentile(idle, 50):.0f} ms, p99 "
        f"{percentile(idle, 99):.0f} ms (of {len(idle)}).\n\n{table(['', *names], rows)}"
    )


def _rate(one: Figures) -> float:
    return float(one["rows"] / (one["seconds"] - one["selecting"]))


def _halves(job: Figures, idle: list[float]) -> str:
    """Rows a second of the first half of the rows, and of the second."""
    one = job["all"]
    working = [look for look in one["looks"] if look[1]]
    middle = next((look for look in working if look[1] >= one["rows"] / 2), working[-1])
    first, last = working[0], next(look for look in working if look[1] >= one["rows"])
    return ", ".join(
        f"{(end[1] - begin[1]) / (end[0] - begin[0]):,.0f}" if end[0] > begin[0] else "?"
        for begin, end in ((first, middle), (middle, last))
    )


def _memory(job: Figures, idle: list[float]) -> str:
    one = job["all"]
    at = [next(look for look in one["looks"] if look[1] >= part * one["rows"]) for part in PARTS]
    return ", ".join(f"{look[2]:.0f}" for look in (one["looks"][0], *at))


def _verdicts(job: Figures, idle: list[float]) -> str:
    ms = job["all"]["verdicts"]
    return f"{percentile(ms, 50):.0f} ms, {percentile(ms, 99):.0f} ms (of {len(ms):,})"


def _ratio(job: Figures, idle: list[float]) -> str:
    ratio = percentile(job["all"]["verdicts"], 99) / percentile(idle, 99)
    return f"{ratio:.2f}" + (f" (more than {MOST:g})" if ratio > MOST else "")


def _left(job: Figures, idle: list[float]) -> str:
    left = job["all"]["left"]
    return f"{left['chunks']:,}, {left['failures']:,}, {left['results']:,}"


ROWS: dict[str, Callable[[Figures, list[float]], str]] = {
    "seconds": lambda job, idle: f"{job['all']['seconds']:,.0f}",
    "of which it selects": lambda job, idle: f"{job['all']['selecting']:,.1f}",
    "rows a second": lambda job, idle: f"{_rate(job['all']):,.0f}",
    "with a tenth of the rows": lambda job, idle: f"{_rate(job['fewer']):,.0f}",
    "first half, second half": _halves,
    "worker's memory in MiB: at first, at 10 %, 50 %, 100 %": _memory,
    "at most, all its processes": lambda job, idle: f"{max(look[2] for look in job['all']['looks']):.0f}",
    "at most, the largest of them": lambda job, idle: f"{max(look[3] for look in job['all']['looks']):.0f}",
    "sign-in to verdict meanwhile, p50 and p99": _verdicts,
    "times the p99 when idle": _ratio,
    "not let in meanwhile": lambda job, idle: f"{len(job['all']['not let in'])}",
    "messages that waited at most, in `bulk` and elsewhere": lambda job, idle: (
        f"{job['all']['waiting']['bulk']}, {job['all']['waiting']['others']}"
    ),
    "rows of chunks, of failures, of Celery's results": _left,
    "database, MB more": lambda job, idle: f"{job['all']['bytes']['database'] / MB:,.0f}",
    "of which chunks": lambda job, idle: f"{job['all']['bytes']['chunks'] / MB:,.0f}",
    "each row once": lambda job, idle: "no" if job["all"]["wrong"] else "yes",
}
