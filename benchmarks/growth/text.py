"""What was measured, as tables in docs/scale.md."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any

from benchmarks.growth.fill import DAYS
from benchmarks.growth.sizes import GB
from benchmarks.page import PAGE, machine, table, write
from benchmarks.spread import with_middle_half, with_range

SCALE = PAGE.with_name("scale.md")
COMMAND = "make bench-growth"
# How many times what it costs in a small site everything may cost in a big one.
MOST_RATIO = 1.3
# Milliseconds that a page of the admin may take in a big one.
MOST_MS, OF_ADMIN = 300, "admin: "
MB = 2**20
DAY = 24 * 3600
# Sign-ins a second, and for how many days they are kept, for which sizes are calculated.
RATES, KEPT = (1, 5, 20), (90, 366)
RESULTS, RESULTS_KEPT = "django_celery_results_taskresult", 30
PAGE_SIZE = 8192
LOGGED = {"log": "bytes of PostgreSQL's log a workflow", "pages": "pages of 8 kB that a workflow changes"}

SMALL, BIG = NAMES = ("small", "big")

Figures = dict[str, Any]


def write_figures(figures: Figures) -> None:
    """Raises ValueError where the page has no place for one."""
    parts = {
        "sizes": _sizes(figures),
        "kept": _kept(figures),
        "costs": _costs(figures),
        "throughput": _throughput(figures),
        "log": _log_a_day(figures),
    }
    for name, part in parts.items():
        print(part, end="\n\n")
        write(f"{COMMAND}: {name}", part, page=SCALE)


def _sizes(figures: Figures) -> str:
    big = figures["sites"][BIG]
    million = big["sign_ins"] / 1_000_000
    rows = [
        [
            f"`{one['name']}`",
            f"{one['rows'] / big['sign_ins']:.2f}",
            f"{one['heap'] / max(one['rows'], 1):.0f}",
            str(one["count_of_indexes"]),
            f"{one['heap'] / MB / million:,.0f} MB",
            f"{one['indexes'] / MB / million:,.0f} MB",
        ]
        for one in big["tables"]
    ]
    whole = [f"{sum(one[part] for one in big['tables']) / MB / million:,.0f} MB" for part in ("heap", "indexes")]
    head = ["table", "rows a sign-in", "bytes a row", "indexes", "rows of a million sign-ins", "their indexes"]
    return (
        f"{big['sign_ins']:,} sign-ins of {big['last']:,} people in {DAYS} days, {big['bytes'] / GB:.1f} GB "
        f"({machine()}):\n\n{table(head, [*rows, ['together', '', '', '', *whole]])}\n\n{_filling(figures)}"
    )


def _filling(figures: Figures) -> str:
    trials = "; ".join(
        f"{one['sign_ins']:,}: {one['bytes'] / GB:.2f} GB, {one['seconds']:,.0f} s"
        for one in [*figures["trials"], figures["sites"][BIG]]
    )
    less = "" if figures["wanted"] == figures["sites"][BIG]["sign_ins"] else f" {figures['wanted']:,} did not fit."
    return f"Filled, indexes and all, before that: {trials}.{less}"


def _kept(figures: Figures) -> str:
    """Calculated: what the tables come to where sign-ins are kept so long, and results for RESULTS_KEPT days."""
    big = figures["sites"][BIG]
    each = {one["name"]: (one["heap"] + one["indexes"]) / big["sign_ins"] for one in big["tables"]}
    results = each.pop(RESULTS)
    rows = [
        [f"{rate} a second", f"{rate * DAY / 1e6:.2f} million"]
        + [f"{rate * DAY * (days * sum(each.values()) + RESULTS_KEPT * results) / GB:,.0f} GB" for days in KEPT]
        for rate in RATES
    ]
    return table(["sign-ins", "a day", *(f"kept for {days} days" for days in KEPT)], rows)


def _costs(figures: Figures) -> str:
    small, big = (figures["costs"][name]["ms"] for name in NAMES)
    rows = [_cost(name, small[name], big[name]) for name in big]
    head = ["ms", f"small ({figures['sites'][SMALL]['sign_ins']:,} sign-ins)", "big", "times as much", ""]
    return table(head, rows)


def _cost(name: str, small: list[float], big: list[float]) -> list[str]:
    ratio, remark = _compared(small, big)
    if name.startswith(OF_ADMIN):
        remark = "" if median(big) <= MOST_MS else f"more than {MOST_MS} ms"
    if len(big) == 1:
        return [name, f"{small[0]:.1f}", f"{big[0]:.1f}", ratio, remark]
    return [name, with_middle_half(small), with_middle_half(big), ratio, remark]


def _throughput(figures: Figures) -> str:
    small, big = (figures["turns"][name] for name in NAMES)
    rates = [[turn["rate"] for turn in turns] for turns in (small, big)]
    rows = [
        [
            "workflows a second (times as much: time)",
            *(with_range(rate, ".1f") for rate in rates),
            *_compared(*reversed(rates)),
        ]
    ]
    for name, title in LOGGED.items():
        if name in big[0]["worked"]:
            values = [[turn["queued"][name] + turn["worked"][name] for turn in turns] for turns in (small, big)]
            rows.append([title, *(with_range(value, ",.0f") for value in values), *_compared(*values)])
    return table(["", "small", "big", "times as much", ""], rows)


def _log_a_day(figures: Figures) -> str:
    """Calculated, where it was counted what pages change: with no page logged as a whole, and with each of them."""
    workflows = [Counter(turn["queued"]) + Counter(turn["worked"]) for turn in figures["turns"][BIG]]
    if "pages" not in workflows[0]:
        return "Not counted: the server lacks pg_walinspect."
    least = median(one["log"] for one in workflows)
    most = least + PAGE_SIZE * median(one["pages"] for one in workflows)
    rows = [[f"{rate} a second", *(f"{rate * DAY * size / GB:,.0f} GB" for size in (least, most))] for rate in RATES]
    return table(["sign-ins", "a day, at least", "at most"], rows)


def _compared(small: list[float], big: list[float]) -> list[str]:
    """How many times as much, pair by pair: for both of one the machine was the same; and what is to be said of it."""
    ratio = median(after / before for before, after in zip(small, big, strict=True))
    return [f"{ratio:.2f}", "" if ratio <= MOST_RATIO else "more than 1.3"]
