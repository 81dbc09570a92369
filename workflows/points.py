"""Named points between two effects, where a process that dies leaves one without the other.

Reaching one does nothing. The tests of crashes (tests/crashes/) end the process at each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

Hook = Callable[[UUID | str, str, str], None]
_hooks: list[Hook] = []


def reached(run_id: UUID | str, step: str, point: str) -> None:
    """``point`` of ``step`` ("" where it is the run's) has been reached for the run."""
    for hook in _hooks:
        hook(run_id, step, point)


def watch(hook: Hook) -> None:
    """Have ``hook(run_id, step, point)`` called at every point reached in this process."""
    _hooks.append(hook)
