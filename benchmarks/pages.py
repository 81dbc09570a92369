"""What pages that stand open cost the server: `make bench-pages`, which writes it into docs/performance.md.

So many people each have the page of a run open, and it asks as htmx would: as often as it was told, with what it was
told. The site's own web processes answer, on a private PostgreSQL (open_pages.py).
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.page import machine, table, write
from benchmarks.process import end_in_order, measured
from loginwatch.chaos.postgresql import postgresql

COMMAND = "make bench-pages"
MEASURED = "benchmarks.open_pages"
# Per cent of a core that the web processes may take.
MOST = 5.0
HEAD = [
    "the runs", "measured for", "requests a second", "answered with nothing new", "ms a request",
    "% of a core, web", "% of a core, PostgreSQL",
]  # fmt: skip


def row(one: dict[str, Any]) -> list[str]:
    web, database = (100 * one["processor"][name] / one["seconds"] for name in ("web", "PostgreSQL"))
    return [
        one["runs"],
        f"{one['seconds']:.0f} s",
        f"{one['requests'] / one['seconds']:.1f}",
        f"{100 * one['nothing_new'] / one['requests']:.0f} %",
        f"{1000 * one['processor']['web'] / one['requests']:.1f}",
        f"{web:.1f}",
        f"{database:.1f}",
    ]


def verdict(figures: list[dict[str, Any]], drawn: float) -> str:
    percents = [100 * one["processor"]["web"] / one["seconds"] for one in figures]
    told = "; ".join(
        f"{percent:.1f} % where they {one['runs']}, {'met' if percent < MOST else 'MISSED'}"
        for one, percent in zip(figures, percents, strict=True)
    )
    return (
        f"Of a core, less than {MOST:g} % was demanded: {told}.\n\n"
        f"An answer that draws what the page shows anew takes {1000 * drawn:.1f} ms."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    end_in_order()
    with postgresql() as url:
        found = measured(MEASURED, options.pages, options.seconds, url=url)
    title = f"{options.pages} open pages of as many runs that have not ended ({machine()}):"
    text = "\n\n".join([title, table(HEAD, [row(one) for one in found["figures"]]), verdict(**found)])
    print(text)
    write(COMMAND, text)


if __name__ == "__main__":
    main()
