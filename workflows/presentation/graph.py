"""The drawing of a run's canvas: where each step stands and how the lines run between them, for any kind of workflow.

It is drawn twice, from left to right and from top to bottom, and the style sheet shows the one that fits. Numbers are
the SVG's own units: one is a pixel where the drawing is shown in its own size.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from workflows.presentation.words import ShownRun, ShownStep

Stage = Sequence[ShownStep]

# From left to right: what a page has room for at most, and what a step needs at least.
PAGE = 960
WIDEST_BOX, NARROWEST_BOX = 216, 168
GAP, BETWEEN = 36, 14
# From top to bottom: as wide as the smallest phone shows it. Members of a group stand between two rails.
TALL = 256
RAIL = 20
DOWN = 26

PADDING = 14
LINE = 18
# How wide a letter of a title is, roughly.
LETTER = 7.6
MOST_LINES = 2
ARROW = 5


@dataclass(frozen=True)
class Box:
    """``lines`` are the title's; the state stands at ``state_y``, what is quiet at ``note_y``, within the box."""

    step: ShownStep
    label: str
    lines: tuple[tuple[int, str], ...]
    note: str
    x: int
    y: int
    width: int
    height: int
    state_y: int
    note_y: int


@dataclass(frozen=True)
class Edge:
    """``path`` as SVG has it, ``is_done`` where the steps that it comes from are."""

    path: str
    is_done: bool


@dataclass(frozen=True)
class Graph:
    name: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


def draw(run: ShownRun) -> list[Graph]:
    """The drawing from top to bottom, and the one from left to right where a page has room for it."""
    tall = _draw_tall(run.stages)
    fits = _box_width(len(run.stages)) >= NARROWEST_BOX
    return [tall, _draw_wide(run.stages)] if fits and run.stages else [tall]


def _box_width(stages: int) -> int:
    return min((PAGE + GAP) // max(stages, 1) - GAP, WIDEST_BOX)


def _draw_wide(stages: Sequence[Stage]) -> Graph:
    width = _box_width(len(stages))
    box_height = _height_of([step for stage in stages for step in stage], width)
    height = max(len(stage) * (box_height + BETWEEN) - BETWEEN for stage in stages)
    boxes: list[Box] = []
    edges: list[Edge] = []
    before: list[Box] = []
    for number, stage in enumerate(stages):
        x = number * (width + GAP) + 1
        top = (height - len(stage) * (box_height + BETWEEN) + BETWEEN) // 2 + 1
        column = [
            _box(step, _label(step, stages, number), x, top + row * (box_height + BETWEEN), width, box_height)
            for row, step in enumerate(stage)
        ]
        edges += _across(before, column, height // 2 + 1)
        boxes += column
        before = column
    return Graph("wide", len(stages) * (width + GAP) - GAP + 2, height + 2, tuple(boxes), tuple(edges))


def _across(before: Sequence[Box], after: Sequence[Box], middle: int) -> list[Edge]:
    """From each box to a point in the middle of the gap, and from there to each of the next: fork and join."""
    if not before:
        return []
    done = _all_done(before)
    end, begin = before[0].x + before[0].width, after[0].x
    between = (end + begin) // 2
    joins = [
        f"M{end} {_middle_of(box)}C{between} {_middle_of(box)} {end} {middle} {between} {middle}" for box in before
    ]
    forks = [
        f"M{between} {middle}C{begin} {middle} {between} {_middle_of(box)} {begin} {_middle_of(box)}"
        f"m-{ARROW} -{ARROW}l{ARROW} {ARROW}l-{ARROW} {ARROW}"
        for box in after
    ]
    return [Edge(path, done) for path in (*joins, *forks)]


def _draw_tall(stages: Sequence[Stage]) -> Graph:
    boxes: list[Box] = []
    edges: list[Edge] = []
    before: list[Box] = []
    y = 1
    for number, stage in enumerate(stages):
        indent = RAIL if len(stage) > 1 else 1
        width = TALL - 2 * indent
        row: list[Box] = []
        for step in stage:
            height = _height_of([step], width)
            row.append(_box(step, _label(step, stages, number), indent, y, width, height))
            y += height + BETWEEN
        y += DOWN - BETWEEN
        edges += _downwards(before, row)
        boxes += row
        before = row
    height = max((box.y + box.height for box in boxes), default=0) + 1
    return Graph("tall", TALL, height, tuple(boxes), tuple(edges))


def _downwards(before: Sequence[Box], after: Sequence[Box]) -> list[Edge]:
    """Down the middle; to the members of a group along a rail at their left, from them along one at their right."""
    if not before:
        return []
    done = _all_done(before)
    end, begin, middle = before[-1].y + before[-1].height, after[0].y, TALL // 2
    between = (end + begin) // 2
    arrow = f"m-{ARROW} -{ARROW}l{ARROW} {ARROW}l{ARROW} -{ARROW}"
    if len(before) > 1:
        joins = [f"M{TALL - RAIL} {_middle_of(box)}H{TALL - 2}V{between}H{middle}" for box in before]
    else:
        joins = [f"M{middle} {end}V{between}"]
    if len(after) > 1:
        forks = [
            f"M{middle} {between}H2V{_middle_of(box)}H{RAIL}m-{ARROW} -{ARROW}l{ARROW} {ARROW}l-{ARROW} {ARROW}"
            for box in after
        ]
    else:
        forks = [f"M{middle} {between}V{begin}{arrow}"]
    return [Edge(path, done) for path in (*joins, *forks)]


def _all_done(boxes: Sequence[Box]) -> bool:
    return all(box.step.state in ("succeeded", "skipped", "degraded") for box in boxes)


def _middle_of(box: Box) -> int:
    return box.y + box.height // 2


def _box(step: ShownStep, label: str, x: int, y: int, width: int, height: int) -> Box:
    lines = _lines_of(step, width)
    state_y = PADDING + LINE * len(lines) + 4
    return Box(
        step=step,
        label=label,
        lines=tuple((PADDING + LINE * number + 10, line) for number, line in enumerate(lines)),
        note=note_of(step),
        x=x,
        y=y,
        width=width,
        height=height,
        state_y=state_y,
        note_y=state_y + LINE + 12,
    )


def _height_of(steps: Sequence[ShownStep], width: int) -> int:
    """Of a box that holds any of these."""
    return max(PADDING + LINE * (len(_lines_of(step, width)) + 1 + bool(note_of(step))) + 16 for step in steps)


def _lines_of(step: ShownStep, width: int) -> list[str]:
    title = step.title[:1].upper() + step.title[1:]
    letters = int((width - 2 * PADDING) / LETTER)
    return textwrap.wrap(title, letters, max_lines=MOST_LINES, placeholder=" …") or [step.name]


def note_of(step: ShownStep) -> str:
    """How long it took, how often it was tried and when it is again, short enough for a box."""
    return " · ".join(text for text in (step.duration, step.attempts, _again(step)) if text)


def _again(step: ShownStep) -> str:
    return f"again {timezone.localtime(step.again_at):%H:%M:%S}" if step.again_at else ""


def _label(step: ShownStep, stages: Sequence[Stage], number: int) -> str:
    """What is read out: all that the box says, and where it stands."""
    said = ", ".join(text for text in (step.state_word, step.duration, step.attempts, _again(step)) if text)
    return f"{step.title[:1].upper()}{step.title[1:]}: {said}. {place_of(step, stages, number)}."


def place_of(step: ShownStep, stages: Sequence[Stage], number: int) -> str:
    others = [other.title for other in stages[number] if other.name != step.name]
    beside = f", at the same time as: {', '.join(others)}" if others else ""
    return f"Stage {number + 1} of {len(stages)}{beside}"
