"""Canvases of every shape; those of Celery's own integration tests (t/integration/test_canvas.py), and some more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from celery import chain, chord, group

from tests.live.plain_tasks import Tasks

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
Canvas = Any  # what chain, group and chord make of each other; the stubs do not say


@dataclass(frozen=True)
class Shape:
    name: str
    make: Callable[[Tasks], Canvas]
    value: Any

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Failing:
    """A canvas in which something fails, where ``told`` attaches the error callbacks; and how often each is called."""

    name: str
    make: Callable[[Tasks, Callable[[Canvas], Canvas]], Canvas]
    calls: int

    def __str__(self) -> str:
        return self.name


VALUES = [
    Shape("a chain", lambda t: chain(t.add.s(4, 4), t.add.s(8), t.add.s(16)), 32),
    Shape("a chain of one", lambda t: chain(t.add.s(3, 4)), 7),
    Shape("a chain in a chain", lambda t: chain(t.add.s(1, 1), chain(t.add.s(2), t.add.s(3)), t.add.s(4)), 11),
    Shape("a group", lambda t: group(t.add.s(1, 1), t.add.s(2, 2)), [2, 4]),
    Shape("an empty group", lambda t: group([], app=t.app), []),
    Shape("a group of chains", lambda t: group(t.add.s(1, 1) | t.add.s(1), t.add.s(2, 2) | t.add.s(2)), [3, 6]),
    Shape("a group in a group", lambda t: group(group(t.same.si(1), t.same.si(2)), t.same.si(3)), [1, 2, 3]),
    Shape("a group behind a task", lambda t: chain(t.same.s(4), group(t.add.s(1), t.add.s(2))), [5, 6]),
    Shape("a group of one group behind a task", lambda t: group(t.add.s(1, 2) | group(t.add.s(1), t.add.s(2))), [4, 5]),
    Shape(
        "a group behind a task in a group",
        lambda t: group(t.same.si(1), t.same.si(2), chain(t.same.si(5), group(t.same.si(3), t.same.si(4)))),
        [1, 2, [3, 4]],
    ),
    Shape("a chord", lambda t: chord([t.add.s(1, 1), t.add.s(2, 2)], t.total.s()), 6),
    Shape("a chord in order", lambda t: chord([t.same.s(i) for i in range(9)], t.same.s()), list(range(9))),
    Shape("a chord of one", lambda t: chord([t.add.s(1, 1)], t.total.s()), 2),
    Shape("a chord of none", lambda t: chord([], t.total.s(), app=t.app), 0),
    Shape("a chord of a hundred", lambda t: chord([t.same.s(i) for i in range(100)], t.total.s()), 4950),
    Shape("a chord of a generator", lambda t: chord((t.same.s(i) for i in range(5)), t.total.s()), 10),
    Shape("an immutable body", lambda t: chord([t.same.s(1), t.same.s(2)], t.same.si("alone")), "alone"),
    Shape(
        "a body with arguments of its own",
        lambda t: chord([t.same.s(1), t.same.s(2)], t.collect.s("x", y=[None, 0.5, "ü"])),
        [[[1, 2], "x"], {"y": [None, 0.5, "ü"]}],
    ),
    Shape("a body that is a chain", lambda t: chord([t.same.s(1)] * 2, t.total.s() | t.add.s(5)), 7),
    Shape("a body that is a group", lambda t: chord([t.same.s(1)] * 2, group(t.total.s(), t.same.s())), [2, [1, 1]]),
    Shape(
        "a body that is a chord",
        lambda t: chord([t.same.s(1)] * 2, chord([t.total.s(), t.total.s()], t.total.s())),
        4,
    ),
    Shape("a group in a chain", lambda t: t.same.s(42) | group(t.same.s(), t.same.s()) | t.total.s(), 84),
    Shape("a group first in a chain", lambda t: group(t.same.s(1), t.same.s(2)) | t.total.s() | t.add.s(1), 4),
    Shape(
        "a group behind a group",
        lambda t: group(t.same.s(1), t.same.s(2)) | group(t.total.s(), t.same.s()),
        [3, [1, 2]],
    ),
    Shape(
        "two groups in a chain",
        lambda t: t.add.si(1, 0) | group(t.add.s(1), t.add.s(1)) | group(t.total.s(), t.total.s()) | t.total.s(),
        8,
    ),
    Shape(
        "chords in a chain",
        lambda t: (
            t.add.si(1, 0)
            | group(t.add.s(1), t.add.s(1))
            | t.total.s()
            | t.add.s(1)
            | chord(group(t.add.s(1), t.add.s(1)), t.total.s())
        ),
        12,
    ),
    Shape(
        "a chain of five groups",
        lambda t: chain(
            t.same.s(1), *[group(t.total.s(), t.total.s()) if i else group(t.same.s(), t.same.s()) for i in range(5)]
        ),
        [16, 16],
    ),
    Shape("a chain in a chord", lambda t: chord([chain(t.add.s(1, 1), t.add.s(2)), t.same.s(3)], t.same.s()), [4, 3]),
    Shape(
        "a chord of chords",
        lambda t: chord([chord([t.same.s(1), t.same.s(2)], t.total.s()) for _ in range(2)], t.same.s()),
        [3, 3],
    ),
    Shape(
        "a chord of chords of chords",
        lambda t: chord([chord([chord([t.same.s(1)] * 2, t.total.s())] * 2, t.total.s()), t.same.s(5)], t.same.s()),
        [4, 5],
    ),
    Shape(
        "a chord in a chain in a chord",
        lambda t: chord([t.same.s(1) | group(t.add.s(1), t.add.s(2)) | t.total.s(), t.same.s(9)], t.same.s()),
        [5, 9],
    ),
    Shape(
        "a chord in a group",
        lambda t: group(chord([t.same.s(1), t.same.s(2)], t.total.s()), t.same.s(4)),
        [3, 4],
    ),
    Shape("a group in a chord", lambda t: chord([group(t.same.s(1), t.same.s(2)), t.same.s(3)], t.total.s()), 6),
    Shape("a map", lambda t: t.add.map([]) | t.same.s(), []),
    Shape("a map of some", lambda t: t.same.map(range(3)), [0, 1, 2]),
    Shape("a starmap", lambda t: t.add.starmap([(1, 1), (2, 2)]), [2, 4]),
    Shape("chunks", lambda t: t.add.chunks([(i, i) for i in range(5)], 2).group(), [[0, 2], [4, 6], [8]]),
    Shape("chunks in a chord", lambda t: t.add.chunks([(i, i) for i in range(5)], 2).group() | t.total.s(), 20),
    Shape("a task that becomes a task", lambda t: t.become.s(t.add.s(1, 2)), 3),
    Shape("a task that becomes a chain", lambda t: t.become.s(t.add.s(1, 2) | t.add.s(3)), 6),
    Shape("a task that becomes a group", lambda t: t.become.s(group(t.same.s(1), t.same.s(2))), [1, 2]),
    Shape("a task that becomes a chord", lambda t: t.become.s(chord([t.same.s(1), t.same.s(2)], t.total.s())), 3),
    Shape(
        "a task in a chain that becomes a group", lambda t: t.become.s(group(t.same.s(1), t.same.s(2))) | t.total.s(), 3
    ),
    Shape(
        "members of a chord that become others",
        lambda t: chord(
            [
                t.become.s(t.same.s(1)),
                t.become.s(t.add.s(1, 1) | t.add.s(1)),
                t.become.s(group(t.same.s(4), t.same.s(5))),
                t.become.s(chord([t.same.s(6), t.same.s(7)], t.total.s())),
            ],
            t.same.s(),
        ),
        [1, 3, [4, 5], 13],
    ),
    Shape(
        "a body that becomes a chord", lambda t: chord([t.same.s(1)], t.become.si(chord([t.same.s(2)], t.total.s()))), 2
    ),
    Shape("a member that is tried again", lambda t: chord([t.fail_once.s(1), t.same.s(2)], t.total.s()), 3),
    Shape("a callback of the body", lambda t: chord([t.same.s(1)], t.total.s().set(link=[t.count.si()])), 1),
    Shape("a task without result in a chain", lambda t: t.add_unheard.s(1, 2) | t.add.s(3), 6),
]


FAILING = [
    Failing("a task", lambda t, told: told(t.fail.s()), 1),
    Failing("the first of a chain", lambda t, told: told(t.fail.s() | t.same.s()), 1),
    Failing("the last of a chain", lambda t, told: told(t.same.s(1) | t.fail.s()), 1),
    Failing("one of a group", lambda t, told: told(group(t.fail.s(), t.same.s(1))), 1),
    Failing("two of a group", lambda t, told: told(group(t.fail.s(), t.fail.s())), 2),
    Failing("a member", lambda t, told: told(chord([t.fail.s(), t.same.s(1)], t.total.s())), 2),
    Failing("a member, told by the body", lambda t, told: chord([t.fail.s(), t.same.s(1)], told(t.total.s())), 1),
    Failing("a member, told by itself", lambda t, told: chord([told(t.fail.s()), t.same.s(1)], t.total.s()), 1),
    Failing("all members", lambda t, told: told(chord([t.fail.s(), t.fail.s()], t.total.s())), 3),
    Failing("the only member", lambda t, told: told(chord([t.fail.s()], t.total.s())), 2),
    Failing("before an immutable body", lambda t, told: told(chord([t.fail.s(), t.same.s(1)], t.marker.si())), 2),
    Failing("before a chain", lambda t, told: told(chord([t.fail.s(), t.same.s(1)], t.total.s() | t.same.s())), 2),
    Failing("before a group", lambda t, told: told(chord([t.fail.s()], group(t.total.s(), t.same.s()))), 3),
    Failing("a body", lambda t, told: told(chord([t.same.s(1), t.same.s(1)], t.fail.s())), 1),
    Failing(
        "in a group in a chain",
        lambda t, told: told(t.same.s(1) | group(t.fail.s(), t.same.s()) | t.total.s()),
        2,
    ),
    Failing(
        "before a group in a chain",
        lambda t, told: told(t.fail.s() | group(t.same.s(), t.same.s()) | t.total.s()),
        1,
    ),
    Failing(
        "behind a group in a chain",
        lambda t, told: told(group(t.same.s(1), t.same.s(2)) | t.total.s() | t.fail.s() | t.same.s()),
        1,
    ),
    Failing(
        "the first of a chain in a chord",
        lambda t, told: told(chord([t.fail.s() | t.same.s(), t.same.s(1)], t.total.s())),
        2,
    ),
    Failing(
        "the last of a chain in a chord",
        lambda t, told: told(chord([t.same.s(1) | t.fail.s(), t.same.s(1)], t.total.s())),
        2,
    ),
    Failing(
        "a member that becomes one that fails",
        lambda t, told: told(chord([t.become.s(t.fail.s()), t.same.s(1)], t.total.s())),
        2,
    ),
    Failing("a member that gives up", lambda t, told: told(chord([t.give_up.s(), t.same.s(1)], t.total.s())), 2),
    Failing(
        "a member that expired",
        lambda t, told: told(chord([t.same.s(1).set(expires=LONG_AGO), t.same.s(1)], t.total.s())),
        1,
    ),
    Failing(
        "the body of a chord in a chord",
        lambda t, told: told(chord([chord([t.same.s(1)], t.fail.s()), t.same.s(1)], t.total.s())),
        3,
    ),
]

# The stock backend never calls the body of these, nor any error callback of it: it counts a member's parts instead of
# the member, misses results that are ignored, and does not tell a chord of a member that is a failed chord.
LOST = [
    Shape("a result that is ignored", lambda t: chord([t.add_unheard.s(1, 2), t.same.s(4)], t.total.s()), 7),
    Shape(
        "a group at the end of a chain",
        lambda t: chord([t.same.s(1) | group(t.add.s(1), t.add.s(2)), t.same.s(9)], t.same.s()),
        [[2, 3], 9],
    ),
    Shape(
        "a group behind a chord",
        lambda t: chord([chord([t.same.s(1)] * 2, group(t.total.s(), t.same.s())), t.same.s(9)], t.same.s()),
        [[2, [1, 1]], 9],
    ),
]
UNTOLD = [
    Failing("before a chord", lambda t, told: chord([t.fail.s()], chord([t.same.s()] * 2, told(t.total.s()))), 1),
    Failing(
        "in the first of two groups in a chain",
        lambda t, told: group(t.fail.s(), t.same.s(1)) | group(t.same.s(), t.same.s()) | told(t.total.s()),
        1,
    ),
    Failing(
        "a chord before a chord",
        lambda t, told: chord(
            [t.same.s(1), chord([t.same.s(1) | t.fail.s()], chord([t.same.s()] * 2, t.total.s()))], told(t.total.s())
        ),
        1,
    ),
    Failing(
        "a chord that is the first to end",
        lambda t, told: chord([chord([t.fail.s()], t.total.s()), t.same.s(1)], told(t.total.s())),
        1,
    ),
    Failing(
        "a chord that is the last to end",
        lambda t, told: chord([t.same.s(1), chord([t.same.s(1) | t.fail.s()], t.total.s())], told(t.total.s())),
        1,
    ),
    Failing(
        "a chord before a chain",
        lambda t, told: chord(
            [t.same.s(1), chord([t.same.s(1) | t.fail.s()], t.total.s() | t.same.s())], told(t.total.s())
        ),
        1,
    ),
    Failing(
        "a chord before a group",
        lambda t, told: chord(
            [t.same.s(1), chord([t.same.s(1) | t.fail.s()], group(t.total.s(), t.same.s()))], told(t.total.s())
        ),
        1,
    ),
    Failing(
        "a chord in a chord",
        lambda t, told: chord(
            [t.same.s(1), chord([chord([t.same.s(1) | t.fail.s()], t.total.s())], t.total.s())], told(t.total.s())
        ),
        1,
    ),
]
