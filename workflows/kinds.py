"""The kinds of workflows that there are: each module that has one registers it (docs/tutorial.md)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PlannedStep:
    """A step as the canvas has it. ``stage`` counts from 0; steps of one stage run at the same time.

    ``error_levels``: of the error callbacks that Celery calls where it fails, those that note it (callbacks.py).
    """

    name: str
    title: str
    stage: int
    queue: str
    skippable: bool
    error_levels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Kind:
    """``name`` is what the database calls it, ``title`` what pages do; ``canvas`` makes the canvas of a run's id.

    ``plan`` tells the steps of such a canvas, in their order. ``about`` is the name of what its runs are about, where
    that is a row of their own: their facts have its id by that name (about.py).
    """

    name: str
    title: str
    canvas: Callable[[str], Any]
    plan: Callable[[], tuple[PlannedStep, ...]]
    about: str = ""

    @functools.cached_property
    def steps(self) -> tuple[PlannedStep, ...]:
        return self.plan()

    def step(self, name: str) -> PlannedStep:
        """Raises KeyError."""
        return {step.name: step for step in self.steps}[name]


_kinds: dict[str, Kind] = {}


class UnknownKind(LookupError):
    """No module that is loaded has registered this kind."""


def register(kind: Kind) -> Kind:
    _kinds[kind.name] = kind
    return kind


def get(name: str) -> Kind:
    """Raises UnknownKind."""
    try:
        return _kinds[name]
    except KeyError:
        raise UnknownKind(f"there is no workflow of the kind {name!r}") from None


def all_kinds() -> list[Kind]:
    return list(_kinds.values())
