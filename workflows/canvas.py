"""How steps are put together to a canvas, and read from one; nothing else in this room knows of chain and group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain as concatenate
from itertools import zip_longest
from typing import Any, cast

from celery import Signature, Task, chain, chord, current_app, group
from celery.utils.functional import maybe_list

from workflows import kinds
from workflows.kinds import Kind, PlannedStep
from workflows.models import task_id_of
from workflows.step_tasks import ErrorCallback, StepTask, on_chain_error, on_group_error

Stages = list[list[Signature[Any]]]
Errbacks = list[Signature[Any]]


def workflow(run_id: str, *stages: Signature[Any]) -> Signature[Any]:
    """One after the other, each a step or what runs ``together``; with the error callback of the whole chain."""
    return chain(*stages).on_error(on_chain_error.si(run_id))


def together(run_id: str, *steps: Signature[Any]) -> Signature[Any]:
    """Steps that run at the same time, with the error callback of their group.

    Followed by a step, a group makes a chord: the step waits for all of them.
    """
    members = group(*steps)
    members.link_error(on_group_error.si(run_id, *map(name_of, steps)))
    return members


def step(task: Task[Any, Any], run_id: str) -> Signature[Any]:
    """Immutable (``si``): a step reads from the ledger what the ones before it returned, so only the id travels.

    Its result is stored under an id that follows from the run's.
    """
    signature: Signature[Any] = task.si(run_id).set(task_id=task_id_of(run_id, task.name.rpartition(".")[2]))
    return signature


def register(name: str, title: str, canvas: Callable[[str], Signature[Any]], about: str = "") -> Kind:
    """Have runs of this kind go through this canvas: its steps are read from it."""
    return kinds.register(Kind(name, title, canvas, partial(plan_of, canvas), about))


def plan_of(canvas: Callable[[str], Signature[Any]]) -> tuple[PlannedStep, ...]:
    """The steps of a canvas, those of earlier stages first."""
    workflow = canvas("run")
    stages = enumerate(_stages_of(workflow))
    return tuple(
        _planned(signature, stage, frozenset(error_callbacks(workflow, name_of(signature))))
        for stage, signatures in stages
        for signature in signatures
    )


def error_callbacks(workflow: Signature[Any], step: str) -> dict[str, Signature[Any]]:
    """By its level, what Celery calls where the step of this name fails and what notes that it was called.

    For a member of a group these are also the callbacks of the task behind the group.
    """
    errbacks = dict(_errbacks(workflow, []))[step]
    tasks = [(current_app.tasks[str(errback.task)], errback) for errback in errbacks]
    return {task.level: errback for task, errback in tasks if isinstance(task, ErrorCallback)}


def _errbacks(signature: Signature[Any], around: Errbacks) -> Iterator[tuple[str, Errbacks]]:
    """The error callbacks of each step, with those ``around`` the signature; a group gives its own to its members."""
    own = [*around, *map(Signature.from_dict, maybe_list(signature.options.get("link_error")) or [])]
    if isinstance(signature, chord):
        behind = list(_errbacks(signature.body, own))
        for member in signature.tasks:
            yield from ((step, [*errbacks, *behind[0][1]]) for step, errbacks in _errbacks(member, own))
        yield from behind
    elif hasattr(signature, "tasks"):
        for task in signature.tasks:
            yield from _errbacks(task, own)
    else:
        yield name_of(signature), own


def name_of(signature: Signature[Any]) -> str:
    """Of its step."""
    return str(signature.task).rpartition(".")[2]


def _stages_of(signature: Signature[Any]) -> Stages:
    """What runs at the same time, in the order in which it runs."""
    if isinstance(signature, chord):
        return _at_once(signature.tasks) + _stages_of(signature.body)
    if isinstance(signature, group):
        return _at_once(signature.tasks)
    if signature.task == "celery.chain":  # it is of a class that Celery keeps to itself
        return list(concatenate.from_iterable(_stages_of(task) for task in signature.tasks))  # type: ignore[attr-defined]
    return [[signature]]


def _at_once(signatures: list[Signature[Any]]) -> Stages:
    stages = zip_longest(*map(_stages_of, signatures), fillvalue=[])
    return [list(concatenate.from_iterable(stage)) for stage in stages]


def _planned(signature: Signature[Any], stage: int, error_levels: frozenset[str]) -> PlannedStep:
    task = cast(StepTask, current_app.tasks[str(signature.task)])
    queue = current_app.amqp.router.route({}, task.name)["queue"].name
    return PlannedStep(name_of(signature), task.title, stage, queue, task.skippable, error_levels)
