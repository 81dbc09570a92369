"""What a ledger costs, by each way of keeping it: `make bench-ledger`, which writes it into docs/performance.md.

On a private PostgreSQL and on SQLite, in rounds that take the designs in turn (ledger_rounds.py), so that what else
the machine does meets them all. The designs: ledger_designs.py.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from statistics import median, quantiles
from typing import Any

from benchmarks.page import machine, table, write
from benchmarks.process import end_in_order, measured
from loginwatch.chaos.postgresql import postgresql

COMMAND = "make bench-ledger"
MEASURED = "benchmarks.ledger_rounds"

DESIGNS = {
    "step_rows": "(a) step rows, and Celery's result rows",
    "step_rows_alone": "(a) without Celery's result rows",
    "result_rows": "(b) Celery's result rows are the ledger",
    "result_rows_alone": "(b) without Celery's own write",
    "no_ledger": "(c) Celery's result rows, no ledger",
}
PRODUCT = "step_rows"
HEAD = ["statements", "commits", "WAL, bytes", "ms, median", "middle half", "against (a)", "middle half"]

LOSSES = """\
Seen of the ledger of (b) in the same process:

- One copy of a message is at a step; a second finds it taken and is tried again, which Celery writes into the row. Then
  a third may claim the step: {claimed_by_two}.
- A copy of the message of a step that is done is tried again. With the backend of django-celery-results the row then
  reads `{done_then}`.
- After `result_expires`, {rows_after_expiry} of a run's 5 rows are left."""

Rounds = dict[str, list[dict[str, float]]]


def rows(rounds: Rounds) -> list[list[str]]:
    return [[text, *_cells(rounds[design], rounds[PRODUCT])] for design, text in DESIGNS.items()]


def _cells(rounds: list[dict[str, float]], product: list[dict[str, float]]) -> list[str]:
    """Counts are the same in each round; times are compared within a round, where the machine was the same."""
    statements, commits, wal = (median(one[what] for one in rounds) for what in ("statements", "commits", "wal"))
    milliseconds = [one["ms"] for one in rounds]
    ratios = [one["ms"] / other["ms"] for one, other in zip(rounds, product, strict=True)]
    return [
        f"{statements:.0f}",
        f"{commits:.0f}",
        f"{wal:,.0f}" if wal else "",
        f"{median(milliseconds):.1f}",
        _middle_half(milliseconds, ".1f"),
        f"{median(ratios):.2f}",
        _middle_half(ratios, ".2f"),
    ]


def _middle_half(values: list[float], form: str) -> str:
    lower, _, upper = quantiles(values, n=4)
    return f"{lower:{form}} to {upper:{form}}"


def losses(lost: dict[str, Any]) -> str:
    return LOSSES.format(**lost | {"claimed_by_two": "yes" if lost["claimed_by_two"] else "no"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--workflows", type=int, default=10, help="by each design in each round")
    options = parser.parse_args()
    end_in_order()
    parts = [f"{options.rounds} rounds of {options.workflows} workflows by each design in turn ({machine()}):"]
    for database in ("PostgreSQL", "SQLite"):
        with postgresql() if database == "PostgreSQL" else nullcontext() as url:
            figures = measured(MEASURED, options.rounds, options.workflows, url=url)
        parts.append(table([database, *HEAD], rows(figures["rounds"])))
        print(parts[-1], flush=True)
    write(COMMAND, "\n\n".join([*parts, losses(figures["lost"])]))


if __name__ == "__main__":
    main()
