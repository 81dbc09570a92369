"""How often Celery called which error callback, as the worker that runs it tells: not what the product notes."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from uuid import UUID

from tests.crashes import plans


def note(run_id: str, level: str) -> None:
    """One line, of fewer bytes than a pipe or a file mixes with another's."""
    with (Path(os.environ[plans.FOLDER]).parent / "calls").open("a") as file:
        file.write(f"{run_id} {level}\n")


def noted(folder: Path) -> Counter[tuple[UUID, str]]:
    """By run and level. ``folder``: of the plans."""
    lines = (folder.parent / "calls").read_text().splitlines()
    return Counter((UUID(run_id), level) for run_id, _, level in (line.partition(" ") for line in lines))
