"""What turns a process of the site into one that dies where it was planned.

The product names most points itself (workflows/points.py). Those that lie in Celery, or in `accounts`, which knows
nothing of workflows, are added here, and so are a few between two statements of the product.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial, wraps
from types import ModuleType
from typing import Any, TypeAlias
from uuid import UUID

from celery import current_task
from celery.signals import after_task_publish, before_task_publish
from django.db import transaction

from accounts import notices
from accounts.models import Notice
from tests.crashes import plans
from workflows import ledger, points, runs

# Of a function's arguments: the ids of the runs that a call is about.
RunsOf: TypeAlias = Callable[..., Collection[UUID | str]]


def die_as_planned() -> None:
    """From now on this process, which runs tasks, dies where a plan says so."""
    points.watch(plans.carry_out)
    before_task_publish.connect(_before_publish)
    after_task_publish.connect(_after_publish)
    _add_points(runs, "mark_interrupted", _one_run, before="error callback: called", after="error callback: done")
    _add_points(ledger, "may_go_on", _many_runs, before="recovery: claimed")
    _add_points(runs, "mark_published", _one_run, after="recovery: noted")
    _add_points(notices, "send_notice", _run_of_notice, before="mail: before sending", after="mail: accepted")
    _add_points(notices, "notice_context", _run_of_notice, before="mail: before making")
    _add_points(notices, "mark_sent", _run_of_notice, after="mail: before commit", committed="mail: committed")


def die_as_planned_at_a_sign_in() -> None:
    """The same for a web process: nobody knows the id of the run that it will make."""
    points.watch(lambda run_id, step, point: plans.carry_out(plans.ANY_RUN, step, point))
    _add_points(runs, "mark_published", lambda *_: [plans.ANY_RUN], after="noted")


def _add_points(
    module: ModuleType, name: str, runs_of: RunsOf, *, before: str = "", after: str = "", committed: str = ""
) -> None:
    """Points before and after each call of the module's function, and when the transaction around it is committed."""
    function = getattr(module, name)

    @wraps(function)
    def with_points(*args: Any) -> Any:
        _reached(before, runs_of, args)
        result = function(*args)
        _reached(after, runs_of, args)
        transaction.on_commit(partial(_reached, committed, runs_of, args))
        return result

    setattr(module, name, with_points)


def _one_run(run_id: UUID, *others: object) -> Collection[UUID | str]:
    return [run_id]


def _many_runs(run_ids: Collection[UUID | str]) -> Collection[UUID | str]:
    return run_ids


def _run_of_notice(notice: Notice) -> Collection[UUID | str]:
    """Its Message-ID begins with it."""
    return [notice.message_id.strip("<").partition(".")[0]]


def _reached(point: str, runs_of: RunsOf, args: tuple[Any, ...]) -> None:
    if not point:
        return
    for run_id in runs_of(*args):
        plans.carry_out(run_id, _task(), point)


def _task() -> str:
    """The name of the running task: a step's, or that of one of those that beat calls."""
    return current_task.name.rpartition(".")[2] if current_task else ""


def _before_publish(headers: dict[str, Any], **kwargs: Any) -> None:
    _reached_message(headers["id"], "before publish")


def _after_publish(headers: dict[str, Any], **kwargs: Any) -> None:
    _reached_message(headers["id"], "published")


def _reached_message(task_id: str, point: str) -> None:
    """For the message of a step alone: its id is ``<run id>.<step>``, and others have no dot."""
    run_id, dot, step = task_id.rpartition(".")
    if dot:
        again = current_task and current_task.request.id == task_id
        plans.carry_out(run_id, step, f"retry: {point}" if again else f"message: {point}")
