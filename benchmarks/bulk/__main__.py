"""`python -m benchmarks.bulk`: the jobs one after the other, into docs/scale.md."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.bulk import text
from benchmarks.growth.server import big_server, copy_database
from benchmarks.process import end_in_order, measured

MEASURING = "benchmarks.bulk.measuring"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    kept = options.figures.resolve() if options.figures else ""
    with big_server() as server:
        url = copy_database(server, "bulk", template="template1")
        figures: dict[str, Any] = measured(MEASURING, options.rows, options.rate, options.seconds, kept, url=url)
        return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each job, and a tenth of them before that")
    parser.add_argument("--rate", type=float, default=4.0, help="sign-ins a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="of sign-ins alone before each job")
    parser.add_argument(
        "--figures", type=Path, help="a file for what was measured, kept after each job; jobs in it are only told"
    )
    parser.add_argument("--dry", action="store_true", help="print it, and leave the page as it is")
    options = parser.parse_args()
    end_in_order()
    figures = json.loads(options.figures.read_text()) if options.figures and options.figures.exists() else None
    if figures is None or not text.is_whole(figures):
        figures = measure(options)
    text.tell(figures, write_it=not options.dry)
    if wrong := text.wrong(figures):
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
