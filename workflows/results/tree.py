"""What Celery has stored of a run's tasks, as a tree, and where the ledger says another thing (walk.py reads it)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workflows.models import Step

# Why there is nothing to tell of a task, or of a whole run.
NOTHING_STORED = "nothing is stored of it: not yet, or no longer"
DOES_NOT_DECODE = "what is stored of it does not decode"
NEVER_PUBLISHED = "it was not published, or before the run kept where Celery stores its results"
NOT_A_RESULT = "what the run keeps of it is no result of Celery's"


@dataclass(frozen=True)
class Node:
    """A task, or a group where there are ``members``, as Celery's results have it.

    ``state`` is Celery's word, "" where nothing is known; ``stored_at`` is when it was stored, where that can be read.
    ``problem`` is why there is no value where one should be. ``error`` and ``traceback`` are what the system said.
    ``children`` are the ids of what the task published.
    """

    id: str
    state: str = ""
    value: Any = None
    error: str = ""
    traceback: str = ""
    problem: str = ""
    parent: Node | None = None
    children: tuple[str, ...] = ()
    members: tuple[Node, ...] = ()
    stored_at: datetime | None = None


@dataclass(frozen=True)
class ResultTree:
    """``last`` is what ends the canvas; what comes before is its parent. There is one or a ``problem``."""

    last: Node | None
    problem: str = ""

    def nodes(self) -> Iterator[Node]:
        """Groups and their members, too; the last first."""
        return _nodes(self.last)

    def of(self, step: Step) -> Node | None:
        return next((node for node in self.nodes() if node.id == step.task_id), None)


# What Celery may say of a step that the ledger has in a state: while it is open, nothing that ends it.
OPEN = frozenset({"", "PENDING", "RECEIVED", "STARTED", "RETRY", "REVOKED", "IGNORED"})
AGREEING = {
    Step.State.WAITING: OPEN,
    Step.State.RUNNING: OPEN,
    Step.State.RETRYING: OPEN,
    # A result that is not there, or has gone, says nothing against it.
    Step.State.SUCCEEDED: frozenset({"", "SUCCESS"}),
    Step.State.SKIPPED: frozenset({"", "SUCCESS"}),
    Step.State.FAILED: frozenset({"", "FAILURE"}),
}


def disagreements(stages: Sequence[Sequence[Step]], tree: ResultTree) -> dict[str, str]:
    """What Celery and the ledger do not agree on, by the names of the steps. The ledger is right."""
    found = {step.name: disagreement(step, tree.of(step)) for stage in stages for step in stage}
    return {name: says for name, says in found.items() if says}


def disagreement(step: Step, node: Node | None) -> str:
    """A sentence where Celery and the ledger do not say the same of the step, else ""."""
    if node is None or _is_from_before(step, node):
        return ""
    if node.state not in AGREEING[Step.State(step.state)]:
        return f"Celery says {node.state}, the ledger says {step.get_state_display()}. The ledger counts."
    if node.state == "SUCCESS" and not node.problem and node.value != step.result:
        return "Celery has another result than the ledger. The ledger counts."
    return ""


def _is_from_before(step: Step, node: Node) -> bool:
    """A failure that says nothing of the attempt to come, or that is under way.

    It is what an earlier copy of the task failed with, before the run was gone on with; or, as Celery gives it to all
    that follows in the chain, what one before it failed with.
    """
    if node.state != "FAILURE":
        return False
    if step.state == Step.State.RUNNING and step.attempted_at and node.stored_at:
        return node.stored_at < step.attempted_at
    return step.state == Step.State.WAITING


def _nodes(node: Node | None) -> Iterator[Node]:
    while node is not None:
        yield node
        for member in node.members:
            yield from _nodes(member)
        node = node.parent
