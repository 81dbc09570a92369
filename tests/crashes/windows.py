"""Every window in which a process can die and leave one effect without the next, and how a run gets there.

A window is named by the point at which the process dies. Those of a step: its claim, its own work, its result, and
the message that asks for it. Those of the run: the request that makes it, its recovery, its late mail, its error
callback.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from workflows.steps import Name


class Start(Enum):
    """How the run comes to the window."""

    PUBLISHED = auto()  # as a sign-in leaves it
    UNPUBLISHED = auto()  # its sign-in's process died before it published the run; recovery does
    AWAY = auto()  # mail server and risk service are away at first
    WEB = auto()  # by a real sign-in


@dataclass(frozen=True)
class Window:
    """``step``: what the point is of, a step or another task, "" for the run.

    ``who`` dies, where that is not the step's task. ``mails``: how often the mail is accepted.
    """

    step: str
    point: str
    start: Start = Start.PUBLISHED
    who: str = ""
    mails: int = 1
    # Other windows, in which processes have to die before the run gets to this one.
    after: tuple[Window, ...] = ()

    def __str__(self) -> str:
        return f"{self.who or self.step} killed at '{self.point}'"


# Between these and the commit behind them the mail server has the mail, and nothing says so.
ACCEPTED = {"mail: accepted", "mail: before commit", "called", "before commit"}

OUTSIDE = (Name.NOTIFY_USER, Name.POST_TO_RISK_API)


def windows_of_step(name: Name) -> Iterator[Window]:
    outside = ["claimed", "called"] if name in OUTSIDE else []
    for point in ["begun", *outside, "before commit", "committed", "result: before store", "result: stored"]:
        yield Window(name, point, mails=2 if name == Name.NOTIFY_USER and point in ACCEPTED else 1)
    # The message that asks for a step is published by the one before, and for the first by recovery.
    start = Start.UNPUBLISHED if name == Name.CHECK_DEVICE else Start.PUBLISHED
    for point in ("message: before publish", "message: published"):
        yield Window(name, point, start, who=f"the publisher of {name}")


def windows_of_outside_steps() -> Iterator[Window]:
    yield Window(Name.NOTIFY_USER, "mail: before sending")
    yield Window(Name.NOTIFY_USER, "mail: accepted", mails=2)
    for name in OUTSIDE:
        for point in ("retry noted", "retry: before publish", "retry: published"):
            yield Window(name, point, Start.AWAY)


def windows_of_chord() -> Iterator[Window]:
    both_dead = tuple(Window(name, "result: stored") for name in (Name.NOTIFY_USER, Name.SAVE_EVENT))
    for point in ("chord: before publish", "chord: published"):
        yield Window(Name.POST_TO_RISK_API, point, who="the last of the group")
        yield Window(Name.POST_TO_RISK_API, point, who="publish_due_chords", after=both_dead)


def windows_of_recovery() -> Iterator[Window]:
    yield Window("recover", "recovery: claimed", Start.UNPUBLISHED)
    yield Window("", "published", Start.UNPUBLISHED, who="recover")
    yield Window("recover", "recovery: noted", Start.UNPUBLISHED)
    killed = Window(Name.SAVE_EVENT, "begun")
    for point in ("error callback: called", "error callback: done"):
        yield Window("on_chain_error", point, after=(killed,))


def windows_of_late_mail() -> Iterator[Window]:
    for point in ("mail: before sending", "mail: accepted", "mail: before commit", "mail: committed"):
        yield Window("deliver_notices", point, Start.AWAY, mails=2 if point in ACCEPTED else 1)


def windows_of_sign_in() -> Iterator[Window]:
    for point in ("before publish", "published", "noted"):
        yield Window("", point, Start.WEB, who="the sign-in")


WINDOWS = [
    *(window for name in Name for window in windows_of_step(name)),
    *windows_of_outside_steps(),
    *windows_of_chord(),
    *windows_of_recovery(),
    *windows_of_late_mail(),
    *windows_of_sign_in(),
]
# Of the sign-in, before it is committed: it has not happened at all.
UNDONE = Window("", "created", Start.WEB, who="the sign-in")
# Those in which the worker dies with all its children, so that nobody is left to notice. Each costs a worker's start.
WHOLE_WORKER = [
    Window(Name.CHECK_DEVICE, "committed"),
    Window(Name.NOTIFY_USER, "called", mails=2),
    Window(Name.POST_TO_RISK_API, "chord: before publish"),
    Window(Name.POST_PROCESS, "before commit"),
]
