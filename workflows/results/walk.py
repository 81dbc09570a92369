"""Celery's results of a run, walked from the tuple that the run keeps (Run.results).

A restored AsyncResult knows no parent, but the tuple of the canvas's last result holds them all, and who is in a group.
Whatever is stored, nothing is raised: what cannot be told is told as that.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

from celery import current_app, states
from celery.exceptions import SecurityError
from celery.result import AsyncResult, GroupResult, ResultBase, result_from_tuple
from django_celery_results.models import TaskResult
from kombu.exceptions import KombuError

from workflows.results.tree import (
    DOES_NOT_DECODE,
    NEVER_PUBLISHED,
    NOT_A_RESULT,
    NOTHING_STORED,
    Node,
    ResultTree,
)

# What reading a result raises that another version, another serializer or somebody's hand has written.
UNREADABLE = (KombuError, SecurityError, ValueError, TypeError, LookupError, AttributeError)


def walk(results: Any) -> ResultTree:
    """The tree of the canvas whose last result's tuple is ``results``."""
    if results is None:
        return ResultTree(None, NEVER_PUBLISHED)
    if not _is_result(results):
        return ResultTree(None, NOT_A_RESULT)
    return ResultTree(_node(result_from_tuple(results, current_app)))


def _is_result(found: Any) -> bool:
    """Whether it has the form of ``AsyncResult.as_tuple()`` as JSON keeps it: [[id, parent], members]."""
    match found:
        case [[str(), parent], members]:
            group = members is None or (isinstance(members, list) and all(map(_is_result, members)))
            return group and (parent is None or _is_result(parent))
    return False


def _node(result: ResultBase) -> Node:
    parent = None if result.parent is None else _node(result.parent)
    node = _group(result) if isinstance(result, GroupResult) else _task(cast(AsyncResult[Any], result))
    return replace(node, parent=parent)


def _group(result: GroupResult) -> Node:
    """Celery keeps no state of a group: it is that of its members."""
    members = tuple(_node(member) for member in result.results or ())
    found = {member.state or states.PENDING for member in members}
    together = states.SUCCESS if found == {states.SUCCESS} else states.PENDING
    return Node(str(result.id), states.FAILURE if states.FAILURE in found else together, members=members)


def _task(result: AsyncResult[Any]) -> Node:
    task_id = str(result.id)
    try:
        # Not from the memory of this process: a result may have gone since.
        meta = result.backend.get_task_meta(task_id, cache=False)
        return _read(task_id, meta)
    except UNREADABLE as error:
        row = TaskResult.objects.filter(task_id=task_id).values_list("status", "traceback").first()
        state, traceback = row or ("", "")
        return Node(
            task_id,
            state,
            error=f"{type(error).__name__}: {error}",
            traceback=traceback or "",
            problem=DOES_NOT_DECODE,
        )


def _read(task_id: str, meta: dict[str, Any]) -> Node:
    if meta.get("date_done") is None:  # the row is not there: each that is has the time at which it was written
        return Node(task_id, problem=NOTHING_STORED)
    value = meta["result"]
    raised = isinstance(value, BaseException)
    return Node(
        task_id,
        str(meta["status"]),
        value=None if raised else json.loads(json.dumps(value, default=str)),
        error=f"{type(value).__name__}: {value}" if raised else "",
        traceback=meta["traceback"] or "",
        stored_at=meta["date_done"],
        children=tuple(child[0][0] for child in meta.get("children") or () if _is_result(child)),
    )
