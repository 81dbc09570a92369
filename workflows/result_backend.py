"""Celery's result backend: django-celery-results, with chords that are neither lost nor stuck.

A chord is a group whose members are followed by a task, its body. The stock backend counts how many members came
back, and so loses the body where one comes back twice, or where a process dies between two of its statements. Here
the members' own results say whether all have ended; the last of them is stored in the same transaction that says
"the body is due"; and what is due is published by who claims it, now or in a later sweep (publish_due_chords).

It is at home on PostgreSQL, READ COMMITTED as usual, and on SQLite with IMMEDIATE transactions; in Django's default
database only.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from typing import Any

import celery
from billiard.exceptions import SoftTimeLimitExceeded
from celery import Signature, maybe_signature, states
from celery.app.task import Context
from celery.exceptions import BackendError, ChordError
from celery.result import GroupResult, allow_join_result, result_from_tuple
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from django_celery_results.backends.database import DatabaseBackend, trigger_callback
from django_celery_results.models import ChordCounter, TaskResult  # type: ignore[attr-defined]  # stubs lag
from kombu.exceptions import OperationalError as BrokerError

from workflows import points
from workflows.models import Chord

logger = logging.getLogger(__name__)

# How long a process that dies between claiming a chord and publishing its body keeps others from it.
CLAIM = timedelta(seconds=30)
DATABASE_IS_AWAY = (OperationalError, InterfaceError)
# What keeps a body from being published now, and may not in a minute: broker or database away, the task's time is up.
NOT_NOW = (BrokerError, *DATABASE_IS_AWAY, BackendError, SoftTimeLimitExceeded)


class ResultBackend(DatabaseBackend):  # type: ignore[misc]  # it is untyped
    """The stock backend but for how a result is written, a chord is ended, and a database that is away is met."""

    def exception_safe_to_retry(self, exc: BaseException) -> bool:
        """All that is done here may be done twice, but within a transaction only its owner can do it again."""
        driver = connection.Database  # type: ignore[attr-defined]  # every database's wrapper has it
        away = (*DATABASE_IS_AWAY, driver.OperationalError, driver.InterfaceError)
        return isinstance(exc, away) and not connection.in_atomic_block

    def on_backend_retryable_error(self, exc: BaseException) -> None:
        """Called by Celery before each further attempt, which needs a new connection."""
        connection.close()

    def _store_result(
        self, task_id: str, result: Any, status: str, traceback: str | None = None, request: Context | None = None
    ) -> Any:
        """Celery calls this, again and again while the database is away, from store_result."""
        row = self._row(task_id, result, status, traceback, request)
        _reached(task_id, "result: before store")
        if status in states.READY_STATES and request and request.chord and request.group:
            with transaction.atomic():
                _upsert(row)
                _look_whether_complete(request.group)
        else:
            _upsert(row)
        _reached(task_id, "result: stored")
        return result

    def _row(
        self, task_id: str, result: Any, status: str, traceback: str | None, request: Context | None
    ) -> dict[str, Any]:
        """The fields of a TaskResult, with the values that the stock backend gives them."""
        content_type, content_encoding, encoded = self.encode_content(result)
        meta = {**self._get_meta_from_request(request), "children": self.current_task_children(request)}
        now = timezone.now()
        return {
            "task_id": task_id,
            "status": status,
            "content_type": content_type,
            "content_encoding": content_encoding,
            "result": encoded,
            "meta": self.encode_content(meta)[2],
            "date_created": now,
            "date_done": now,
            **({"date_started": now} if status == states.STARTED else {}),
            **self._get_extended_properties(request, traceback),
        }

    def apply_chord(self, header_result_args: tuple[str, Iterable[Any]], body: Signature[Any], **kwargs: Any) -> None:
        """Called by Celery before it publishes the members. A chord that is there already stays as it is."""
        self.ensure_chords_allowed()
        header = self.app.GroupResult(*header_result_args)
        members = [result.as_tuple() for result in header]
        # As text: a message may carry what PostgreSQL's JSON refuses, a NaN or a NUL.
        encoded = self.encode_content(body)[2]
        self._ensure_retryable(_open_chord, header.id, members, encoded)

    def on_chord_part_return(self, request: Context, state: str, result: Any, **kwargs: Any) -> None:
        """Called by Celery when a member has ended and its result is stored. After the last, the body is published."""
        if not request.id or not request.group:
            return
        try:
            self._ensure_retryable(self._return_part, request.id, request, state, result)
        except NOT_NOW as error:
            logger.warning("chord %s is left to the sweep: %s", request.group, error)

    def _return_part(self, task_id: str, request: Context, state: str, result: Any) -> None:
        if not _all_in(states.READY_STATES, [task_id]):
            # Celery has not stored it, for it is to be ignored; but the chord waits for it.
            self._store_result(task_id, self.encode_result(result, state), state, request=request)
        self.publish_due_chords(group_id=request.group)

    def chord_error_from_stack(self, callback: Any, exc: BaseException | None = None) -> Any:
        """Called for a body that fails because a member did.

        The stock backend leaves two waiting for ever: a body that is a chord, and the chord whose member the body is.
        """
        if isinstance(callback, celery.chord):
            return self.chord_error_from_stack(callback.body, exc)
        failed = super().chord_error_from_stack(callback, exc)
        tasks = getattr(callback, "tasks", [callback])
        for group_id in {task.options["group_id"] for task in tasks if task.options.get("chord")}:
            _look_whether_complete(group_id)
            self.publish_due_chords(group_id=group_id)
        return failed

    def publish_due_chords(self, most: int = 100, **which: Any) -> int:
        """Publish the bodies of up to ``most`` chords whose members have all ended; returns how many.

        To be called now and then: for those whose process died before it had published them, and those that the
        broker did not take. Several may do so at once. A broker that does not take one is not asked for the others.
        """
        ended = 0
        due = Chord.objects.filter(publish_at__lte=timezone.now(), **which)
        for chord in due.order_by("publish_at")[:most]:
            if not _claim(chord):
                continue
            if not self._end(chord):
                break
            ended += 1
        return ended

    def _end(self, chord: Chord) -> bool:
        """Publish the body, or where a member failed call the error callbacks; False where that has to wait."""
        body: Any = maybe_signature(self.decode_content(self, chord.body), app=self.app)
        try:
            _reached(body.id, "chord: before publish")
            self._call(body, chord)
            _reached(body.id, "chord: published")
            self._ensure_retryable(chord.delete)
        except NOT_NOW as error:
            logger.warning("chord %s is left to the sweep: %s", chord.group_id, error)
            return False
        return True

    def _call(self, body: Signature[Any], chord: Chord) -> None:
        """Raises what is in NOT_NOW."""
        members = [result_from_tuple(member, app=self.app) for member in chord.members]
        header = GroupResult(chord.group_id, members, app=self.app)
        if not _all_in({states.SUCCESS}, _task_ids(chord.members)):
            trigger_callback(self.app, body, header)
            return
        try:
            body.delay(*(() if body.immutable else (self._join(header),)))
        except NOT_NOW:
            raise
        except Exception as error:
            # As in the stock backend: a body that cannot be published, ever, has failed.
            logger.exception("Chord %r raised: %r", chord.group_id, error)
            self.chord_error_from_stack(body, exc=ChordError(f"Callback error: {error!r}"))

    def _join(self, header: GroupResult) -> list[Any]:
        with allow_join_result():
            return header.join(timeout=self.app.conf.result_chord_join_timeout, propagate=True)

    def cleanup(self) -> None:
        """Called by Celery once a day: delete what has expired, chords too, and the stock backend's counters."""
        super().cleanup()
        if self.expires:
            Chord.objects.filter(created_at__lt=timezone.now() - timedelta(seconds=self.expires)).delete()
            ChordCounter.objects.all().delete()


def _upsert(row: dict[str, Any]) -> None:
    """Write a task's result in one statement. Success is final: a late copy of the task does not overwrite it."""
    table = TaskResult._meta.db_table
    fields = [field for field in TaskResult._meta.concrete_fields if field.name in row]
    columns = [field.name for field in fields]  # they are named alike
    changed = [column for column in columns if column not in ("task_id", "date_created")]
    statement = (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))}) "  # noqa: S608  names
        f"ON CONFLICT (task_id) DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in changed)} "
        f"WHERE {table}.status <> %s"
    )
    values = [field.get_db_prep_save(row[field.name], connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, states.SUCCESS])


@transaction.atomic
def _open_chord(group_id: str, members: list[Any], body: str) -> None:
    _, opened = Chord.objects.get_or_create(group_id=group_id, defaults={"members": members, "body": body})
    if opened:
        # Tasks that are published again under their ids: what an earlier copy failed with is not their end.
        failed = TaskResult.objects.filter(
            task_id__in=set(_task_ids(members)), status__in=states.READY_STATES - {states.SUCCESS}
        )
        failed.update(status=states.PENDING)


@transaction.atomic(savepoint=False)
def _look_whether_complete(group_id: str) -> None:
    """Where all members have ended, the body is due.

    Call it in the transaction that stores a member's result. Of members that end at the same time the later one
    gets the lock when the earlier one has committed, and then reads, in a statement of its own, what that stored.
    """
    waiting = Chord.objects.filter(group_id=group_id, publish_at=None)
    members = waiting.select_for_update().values_list("members", flat=True).first()
    if members is not None and _all_in(states.READY_STATES, _task_ids(members)):
        waiting.update(publish_at=timezone.now())


def _all_in(wanted: Collection[str], task_ids: Iterable[str]) -> bool:
    """Whether the results of all these tasks have one of the ``wanted`` states."""
    ids = set(task_ids)
    return bool(TaskResult.objects.filter(task_id__in=ids, status__in=wanted).count() == len(ids))


def _claim(chord: Chord) -> bool:
    """Of several processes at once, one gets the chord."""
    free = Chord.objects.filter(pk=chord.pk, publish_at=chord.publish_at)
    return free.update(publish_at=timezone.now() + CLAIM) == 1


def _task_ids(members: Iterable[Any]) -> Iterator[str]:
    """The ids in Celery's result tuples, ``((id, parent), None)`` of a task, ``((id, parent), members)`` of a group."""
    for (result_id, _), group in members:
        if group is None:
            yield result_id
        else:
            yield from _task_ids(group)


def _reached(task_id: str | None, point: str) -> None:
    """For tasks of a run alone: their ids are ``<run id>.<step>``, others have no dot."""
    run_id, dot, step = (task_id or "").rpartition(".")
    if dot:
        points.reached(run_id, step, point)
