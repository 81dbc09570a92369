"""Groups that are followed by a task: which of them wait, which have ended, and who publishes what follows.

A process that dies between claiming a chord and publishing its body keeps others from it for CLAIM.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from celery import states
from django.db import connection, transaction
from django.utils import timezone

from accounts import sql
from workflows.models import Chord
from workflows.results import rows

CLAIM = timedelta(seconds=10)


@dataclass(frozen=True)
class Ended:
    """A chord whose members have all ended, and that is the caller's to go on with. ``failed``: ids of its tasks."""

    chord: Chord
    all_succeeded: bool
    failed: list[str]


@transaction.atomic
def open_chord(group_id: str, members: list[Any], body: str) -> None:
    """A chord that is there already stays as it is. ``members``: Celery's result tuples; ``body``: encoded."""
    opened = sql.execute(
        "INSERT INTO workflows_chord (group_id, members, body, created_at) "
        "VALUES (%(group_id)s, %(members)s, %(body)s, %(created_at)s) ON CONFLICT (group_id) DO NOTHING",
        Chord,
        group_id=group_id,
        members=members,
        body=body,
        created_at=timezone.now(),
    )
    if opened:
        rows.reopen_failed(_task_ids(members))


def claim_if_ended(group_id: str) -> Ended | None:
    """The chord, where all members have ended and nobody has claimed it.

    Call it in the transaction that stores a member's result. Of members that end at the same time the later one
    gets the lock when the earlier one has committed, and then reads, in a statement of its own, what that stored.
    """
    row = sql.fetch(_locking(), Chord, group_id=group_id)
    if row is None:
        return None
    chord = cast(Chord, sql.read(row, Chord)[0])
    ended = _ended(chord)
    if ended:
        sql.execute(
            "UPDATE workflows_chord SET publish_at = %(publish_at)s WHERE id = %(id)s",
            Chord,
            id=chord.pk,
            publish_at=timezone.now() + CLAIM,
        )
    return ended


def claim_due(most: int) -> Iterator[Ended]:
    """Those that have ended and were claimed by nobody, or by somebody who has been silent for CLAIM."""
    for chord in Chord.objects.filter(publish_at__lte=timezone.now()).order_by("publish_at")[:most]:
        # Of several processes at once, one gets it.
        free = Chord.objects.filter(pk=chord.pk, publish_at=chord.publish_at)
        if free.update(publish_at=timezone.now() + CLAIM) and (ended := _ended(chord)):
            yield ended


def forget(chord: Chord) -> None:
    sql.execute("DELETE FROM workflows_chord WHERE id = %(id)s", Chord, id=chord.pk)


def _ended(chord: Chord) -> Ended | None:
    ids = _task_ids(chord.members)
    found = rows.states_of(ids)
    if sum(found[state] for state in states.READY_STATES) < len(ids):
        return None
    all_succeeded = found[states.SUCCESS] == len(ids)
    return Ended(chord, all_succeeded, failed=[] if all_succeeded else rows.failed_of(ids))


@functools.cache
def _locking() -> str:
    statement = f"SELECT {sql.columns(Chord, 'c')} FROM workflows_chord c "  # noqa: S608  names
    # SQLite has locked everything by then.
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    return f"{statement} WHERE group_id = %(group_id)s AND publish_at IS NULL{lock}"


def _task_ids(members: Iterable[Any]) -> set[str]:
    """The ids in Celery's result tuples, ``((id, parent), None)`` of a task, ``((id, parent), members)`` of a group."""
    ids: set[str] = set()
    for (result_id, _), group in members:
        ids |= {result_id} if group is None else _task_ids(group)
    return ids
