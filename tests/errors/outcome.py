"""What became of a run, and of its step that went wrong, in the words of docs/errors.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias
from uuid import UUID

from benchmarks.page import table
from tests.errors.cells import Cell
from workflows.models import CallbackCall, Run, Step

Level = CallbackCall.Level
Reason = CallbackCall.Reason

Runs: TypeAlias = Mapping[Cell, Run]

# From the innermost.
LEVELS = (Level.TASK, Level.MEMBER, Level.GROUP, Level.CHAIN)


def table_of_steps(runs: Runs) -> str:
    """A row for each cell of one step."""
    head = ["step", "what goes wrong", "attempts", "the step is", "error callbacks", "the run is"]
    return table(head, [_row(cell, run) for cell, run in runs.items() if "and" not in cell.step.split()])


def table_of_calls(runs: Runs, calls: Mapping[tuple[UUID, str], int]) -> str:
    """How often Celery called the callbacks of which level, by what happened."""
    head = ["what happens", *(level.label for level in LEVELS)]
    events = [(cell.event, run) for cell, run in runs.items() if cell.event]
    return table(head, [[event, *(str(calls.get((run.pk, level), 0)) for level in LEVELS)] for event, run in events])


def _row(cell: Cell, run: Run) -> list[str]:
    step = run.steps.get(name=cell.step)
    return [f"`{cell.step}`", cell.what, _attempts(step), _step_is(step), _calls(cell, run), run.state]


def _attempts(step: Step) -> str:
    """Each by what it came to. The last that did it has no row of its own."""
    noted = [attempt.get_outcome_display() for attempt in step.failed_attempts.order_by("number")]
    done = ["done"] if step.state in Step.DONE else []
    assert step.attempts == len([*noted, *done]), f"{step}: {step.attempts} attempts, and noted are {noted}"
    return ", ".join([*noted, *done])


def _step_is(step: Step) -> str:
    result = (step.result or {}).get("notice", "").replace("_", " ")
    return f"{step.state}: {result}" if result not in ("", "sent") else step.state


def _calls(cell: Cell, run: Run) -> str:
    calls = sorted(run.callback_calls.all(), key=lambda call: (LEVELS.index(Level(call.level)), call.step))
    return "; ".join(_named(cell, calls)) or "none"


def _named(cell: Cell, calls: Iterable[CallbackCall]) -> Iterable[str]:
    """A process that another cell has killed may take with it the news that another step of this run was done, before
    this cell's or after it: Celery calls for that one then, which is no matter of this cell.
    """
    for call in calls:
        if call.reason != Reason.FAILED and call.step not in ("", cell.step):
            continue
        times = f" ({call.calls} times)" if call.calls > 1 else ""
        another = f" for `{call.step or 'nobody knows which'}`" if call.step != cell.step else ""
        interrupted = "" if call.reason == Reason.FAILED else ", interrupted"
        yield f"{call.level}{times}{another}{interrupted}"
