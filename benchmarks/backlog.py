"""A long backlog: `make bench-backlog`, which writes what came of it into docs/performance.md.

Runs are queued while no worker serves their queue. Recovery looks at them for some minutes, every few seconds, as in
the site. Then two workers start, and it is waited for until every run has ended. It takes a private PostgreSQL, a
private broker and the reference risk service, each a process of its own (backlog_runs.py).
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.page import machine, table, write
from benchmarks.process import end_in_order, measured
from loginwatch.chaos.postgresql import postgresql

COMMAND = "make bench-backlog"
MEASURED = "benchmarks.backlog_runs"
WORKERS = 2
# Of the runs, how many per cent may be published more than once.
MOST = 1.0
HEAD = ["seconds", "", "messages in the queue", "steps done", "runs ended", "runs published more than once"]
ROWS_WHILE_WORKING = 8

Sample = dict[str, float]


def history(figures: dict[str, Any]) -> str:
    """The queue over time: the moments that count, and some between them."""
    begun, stopped = figures["filled"]["seconds"], figures["stopped"]["seconds"]
    waiting = [one for one in figures["samples"] if begun < one["seconds"] < stopped]
    working = [one for one in figures["samples"] if stopped < one["seconds"] < figures["ended"]["seconds"]]
    rows = [
        _row(figures["filled"], "all signed in"),
        *[_row(one) for one in _some(waiting, 1)],
        _row(figures["stopped"], f"{WORKERS} workers start"),
        *[_row(one) for one in _some(working, ROWS_WHILE_WORKING)],
        _row(figures["ended"], "all have ended"),
    ]
    return table(HEAD, rows)


def _some(samples: list[Sample], count: int) -> list[Sample]:
    """``count`` of them, evenly spaced, or all where there are fewer."""
    step = max(1, len(samples) // (count + 1))
    return samples[step::step][:count]


def _row(sample: Sample, what: str = "") -> list[str]:
    columns = ("queued", "steps", "ended", "published_again")
    return [f"{sample['seconds']:.0f}", what, *(f"{sample[column]:,.0f}" for column in columns)]


def summary(figures: dict[str, Any], *, runs: int) -> str:
    before = figures["stopped"]["published_again"]
    total = figures["ended"]["published_again"]
    seconds = figures["ended"]["seconds"] - figures["stopped"]["seconds"]
    ended = ", ".join(f"{count:,} {state}" for state, count in figures["states"].items())
    percent = 100 * total / runs
    verdict = "met" if percent <= MOST else "MISSED"
    return (
        f"Published more than once: {before:,} runs before the workers started, in {figures['recoveries']['before']} "
        f"recoveries, and {total - before:,} after that, in {figures['recoveries']['after']}: {percent:.2f} % "
        f"of the runs, {figures['surplus']:,} canvases too many. At most {MOST:g} % was demanded: {verdict}.\n\n"
        f"Ended: {ended}, in {seconds:,.0f} s, {runs / seconds:.1f} a second."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=10.0, help="of recovery without a worker for the runs")
    options = parser.parse_args()
    end_in_order()
    with postgresql() as url:
        figures = measured(MEASURED, options.runs, options.minutes, WORKERS, url=url)
    title = f"{options.runs:,} runs, {options.minutes:g} minutes without a worker for them ({machine()}):"
    text = "\n\n".join([title, history(figures), summary(figures, runs=options.runs)])
    print(text)
    write(COMMAND, text)


if __name__ == "__main__":
    main()
