"""The actions that there are: each module that has some registers them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from django import forms
from django.db.models import Model
from django.utils.text import capfirst

from accounts.models import User
from workflows.bulk.models import BulkJob


class Did(StrEnum):
    """SKIPPED: there was nothing to do."""

    DONE = "done"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Skipped:
    """There was nothing to do, and why. The text is a sentence for people; there are few, which are counted."""

    why: str


class RowFailed(Exception):
    """This row cannot be done. The text is a sentence for people."""


class Rest(Exception):
    """Nothing can be done just now; no row is to blame, and the job goes on by itself after ``seconds``.

    ``tried``: it may be the row after all, which is given up where that goes on (working.GIVEN_UP_AFTER).
    """

    def __init__(self, why: str, seconds: float, *, tried: bool = False) -> None:
        super().__init__(why)
        self.seconds = seconds
        self.tried = tried


class NoParameters(forms.Form):
    """Of an action that has none."""


@dataclass
class Work:
    """What an action is told beside the row. ``lines``: what it writes into the job's file."""

    job: BulkJob
    by: User
    lines: list[str] = field(default_factory=list)
    # An open connection to the mail server, of actions that mail.
    mailer: Any = None
    # When the risk service was asked last, of actions that ask it.
    asked_at: float = 0.0

    def close(self) -> None:
        if self.mailer is not None:
            self.mailer.close()
            self.mailer = None


@dataclass(frozen=True)
class Action:
    """``do`` does it to one row, and bears that the savepoint it is in is taken back.

    ``do_many`` does it to some at once, with fewer statements, and returns the keys of those that had something to do.

    ``destroys``: it can be tried without effect, and may need a second person. ``outside``: its effect is not in the
    database (a mail), so it is written down row by row, and the effect has a key that follows from job and row.
    ``publishes``: it hands runs to the broker, and waits where sign-ins do. ``subject``: whose account it acts on,
    for the security log. ``header``: the first line of the file that it writes. ``through``: it is chosen in the list
    of what this field of its rows leads to, and done to all rows that lead to what is selected there.
    """

    name: str
    title: str
    model: type[Model]
    permission: str
    do: Callable[[Any, Work], Did | Skipped]
    explains: str
    destroys: bool = False
    outside: bool = False
    publishes: bool = False
    do_many: Callable[[list[Any], Work], Collection[Any]] | None = None
    form: type[forms.Form] = NoParameters
    related: tuple[str, ...] = ()
    subject: Callable[[Any], int] | None = None
    header: str = ""
    preview: Callable[[Any, dict[str, Any]], str] | None = None
    through: str = ""

    @property
    def heading(self) -> str:
        return capfirst(self.title)

    @property
    def listed(self) -> type[Model]:
        """In the list of which it is chosen."""
        related = self.model._meta.get_field(self.through).related_model if self.through else self.model
        return cast(type[Model], related)

    @property
    def full_permission(self) -> str:
        return f"workflows.{self.permission}"


class UnknownAction(LookupError):
    """This version of the site has no such action."""


_actions: dict[str, Action] = {}


def register(action: Action) -> Action:
    _actions[action.name] = action
    return action


def get(name: str) -> Action:
    """Raises UnknownAction."""
    try:
        return _actions[name]
    except KeyError:
        raise UnknownAction(f"This version of the site has no bulk action {name!r}.") from None


def writes_file(name: str) -> bool:
    """Whether the action of this name does; not one that this version does not know."""
    return name in _actions and bool(_actions[name].header)


def all_actions() -> list[Action]:
    return list(_actions.values())


def actions_of(model: type[Model]) -> list[Action]:
    return [action for action in _actions.values() if action.listed is model]


def may(user: User, action: Action) -> bool:
    """Whoever is not active has no permission."""
    return user.is_staff and user.has_perm(action.full_permission)
