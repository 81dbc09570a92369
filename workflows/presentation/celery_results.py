"""Celery's results of a run as its pages show them: what each came after, what it published, and the groups."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from workflows.models import Run
from workflows.presentation.words import cut, stages_of, title_of, without_error
from workflows.results.tree import Node, ResultTree

# Celery's words for a task that has ended.
ENDED = frozenset({"SUCCESS", "FAILURE", "REVOKED"})
# What a page shows of an error of the selected step, and of a traceback: the end says what it was.
LONG_ERROR, LONG_TRACEBACK = 2_000, 8_000


@dataclass(frozen=True)
class Named:
    """A result by its id. ``step`` is "" where it is of none; ``title`` is "" where the canvas does not have it."""

    id: str
    step: str = ""
    title: str = ""


@dataclass(frozen=True)
class ShownGroup:
    """``members`` with their states, "" where nothing is known; ``completed`` of them have succeeded."""

    id: str
    state: str
    completed: int
    members: tuple[tuple[Named, str], ...]


@dataclass(frozen=True)
class ShownCelery:
    """Celery's result of a step. ``error`` and ``traceback`` are "" for those who do not run this site.

    ``after`` is what came before it in the canvas, or before the group that it is in.
    """

    id: str = ""
    state: str = ""
    value: str = ""
    problem: str = ""
    error: str = ""
    traceback: str = ""
    after: Named | None = None
    group: Named | None = None
    published: tuple[Named, ...] = ()


def show_celery(node: Node | None, tree: ResultTree, run: Run, *, staff: bool) -> ShownCelery:
    if node is None:
        return ShownCelery()
    names = _names(tree, run)
    group = group_of(node, tree)
    parent = (group or node).parent
    return ShownCelery(
        id=node.id,
        state=node.state,
        value=as_text(without_error(node.value, staff=staff)),
        problem=node.problem,
        error=cut(node.error, LONG_ERROR) if staff else "",
        traceback=node.traceback[-LONG_TRACEBACK:] if staff else "",
        after=_named(parent.id, names) if parent else None,
        group=_named(group.id, names) if group else None,
        published=tuple(_named(child, names) for child in node.children),
    )


def show_groups(tree: ResultTree, run: Run) -> tuple[ShownGroup, ...]:
    names = _names(tree, run)
    return tuple(
        ShownGroup(
            group.id,
            group.state,
            completed(group),
            tuple((_named(member.id, names), member.state) for member in group.members),
        )
        for group in groups_of(tree)
    )


def groups_of(tree: ResultTree) -> list[Node]:
    """The first of the canvas first."""
    return [node for node in tree.nodes() if node.members][::-1]


def group_of(node: Node, tree: ResultTree) -> Node | None:
    """The group that it is a member of."""
    return next((group for group in groups_of(tree) if node in group.members), None)


def completed(group: Node) -> int:
    """How many of its members have succeeded: what ``GroupResult.completed_count`` says, which asks for each anew."""
    return sum(member.state == "SUCCESS" for member in group.members)


def is_ready(group: Node) -> bool:
    """Whether all of its members have ended, as ``GroupResult.ready`` says it."""
    return all(member.state in ENDED for member in group.members)


def as_text(value: Any) -> str:
    """A result as JSON to be read, "" where there is none."""
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _names(tree: ResultTree, run: Run) -> dict[str, Named]:
    steps = [step for stage in stages_of(run) for step in stage]
    groups = {group.id: Named(group.id, title="the group") for group in groups_of(tree)}
    return groups | {step.task_id: Named(step.task_id, step.name, title_of(run, step.name)) for step in steps}


def _named(result_id: str, names: dict[str, Named]) -> Named:
    """Of a run that was published again, a result may tell of the group of an earlier time."""
    return names.get(result_id, Named(result_id))
