"""Where the measurements stand: pages of docs/, each between two comments that name what writes it."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def write(command: str, text: str, *, page: Path = PAGE) -> None:
    """Replace what stands between the comments of ``command`` by ``text``. Raises ValueError where there are none."""
    whole = page.read_text()
    written = with_text(whole, command, text)
    if written != whole:
        page.write_text(written)


def with_text(whole: str, command: str, text: str) -> str:
    """The page as it is with ``text`` between the comments of ``command``. Raises ValueError where there are none."""
    begin, end = f"<!-- begin: {command} -->", f"<!-- end: {command} -->"
    before, after = whole[: whole.index(begin)], whole[whole.index(end) + len(end) :]
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {datetime.now(UTC).date().isoformat()}"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
