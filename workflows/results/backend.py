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
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import celery
from billiard.exceptions import SoftTimeLimitExceeded
from celery import Signature, maybe_signature, states
from celery.app.task import Context
from celery.exceptions import BackendError, ChordError
from celery.result import GroupResult, allow_join_result, result_from_tuple
from celery.utils.functional import maybe_list
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from django_celery_results.backends.database import DatabaseBackend, trigger_callback
from django_celery_results.models import ChordCounter  # type: ignore[attr-defined]  # stubs lag
from kombu.exceptions import ContentDisallowed
from kombu.exceptions import OperationalError as BrokerError

from workflows import points, retention
from workflows.models import Chord
from workflows.results import chords, rows
from workflows.results.chords import Ended

logger = logging.getLogger(__name__)

# Less than the task's time limit (CELERY_TASK_ANNOTATIONS); what is left, the next call deletes.
CLEANUP_SECONDS = 300.0
DATABASE_IS_AWAY = (OperationalError, InterfaceError)
# The header of an error callback that is called for a group: the ids of those of its tasks that failed.
FAILED_MEMBERS = "failed_members"
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
        self, task_id: str, result: Any, status: str, traceback: str | None = None, request: Any = None
    ) -> Any:
        """Celery calls this, again and again while the database is away, from store_result."""
        row = self._row(task_id, result, status, traceback, request)
        _reached(task_id, "result: before store")
        if status in states.READY_STATES and request and request.chord and request.group:
            with transaction.atomic():
                rows.upsert(row)
                # For on_chord_part_return, which Celery calls next.
                request.ended_chord = chords.claim_if_ended(request.group)
        else:
            rows.upsert(row)
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

    def decode_content(self, obj: Any, content: Any) -> Any:
        """The stock backend reads whatever is stored as its own serializer's, whatever its row says that it is."""
        if content and obj.content_type != self.content_type:
            raise ContentDisallowed(f"it is {obj.content_type or 'of no type'}, not {self.content_type}")
        return super().decode_content(obj, content)

    def apply_chord(self, header_result_args: tuple[str, Iterable[Any]], body: Signature[Any], **kwargs: Any) -> None:
        """Called by Celery before it publishes the members. A chord that is there already stays as it is."""
        self.ensure_chords_allowed()
        header = self.app.GroupResult(*header_result_args)
        members = [result.as_tuple() for result in header]
        # As text: a message may carry what PostgreSQL's JSON refuses, a NaN or a NUL.
        encoded = self.encode_content(body)[2]
        self._ensure_retryable(chords.open_chord, header.id, members, encoded)

    def on_chord_part_return(self, request: Any, state: str, result: Any, **kwargs: Any) -> None:
        """Called by Celery when a member has ended and its result is stored. After the last, the body is published."""
        if not request.id or not request.group:
            return
        try:
            if not hasattr(request, "ended_chord"):
                # Celery has not stored it, for it is to be ignored; but the chord waits for it.
                self._ensure_retryable(self._store_unless_ended, request.id, request, state, result)
            if request.ended_chord:
                self._end(request.ended_chord)
        except NOT_NOW as error:
            logger.warning("chord %s is left to the sweep: %s", request.group, error)

    def _store_unless_ended(self, task_id: str, request: Any, state: str, result: Any) -> None:
        if rows.has_ended(task_id):
            with transaction.atomic():
                request.ended_chord = chords.claim_if_ended(request.group)
        else:
            self._store_result(task_id, self.encode_result(result, state), state, request=request)

    def chord_error_from_stack(self, callback: Any, exc: BaseException | None = None) -> Any:
        """Called for a body that fails because a member did.

        The stock backend leaves two waiting for ever: a body that is a chord, and the chord whose member the body is.
        """
        if isinstance(callback, celery.chord):
            return self.chord_error_from_stack(callback.body, exc)
        failed = super().chord_error_from_stack(callback, exc)
        tasks = getattr(callback, "tasks", [callback])
        for group_id in {task.options["group_id"] for task in tasks if task.options.get("chord")}:
            with transaction.atomic():
                ended = chords.claim_if_ended(group_id)
            if ended:
                self._end(ended)
        return failed

    def publish_due_chords(self, most: int = 100) -> int:
        """Publish the bodies of up to ``most`` chords whose members have all ended; returns how many.

        To be called now and then: for those whose process died before it had published them, and those that the
        broker did not take. Several may do so at once. A broker that does not take one is not asked for the others.
        """
        published = 0
        for ended in chords.claim_due(most):
            if not self._end(ended):
                break
            published += 1
        return published

    def _end(self, ended: Ended) -> bool:
        """Publish the body, or where a member failed call the error callbacks; False where that has to wait."""
        body: Any = maybe_signature(self.decode_content(self, ended.chord.body), app=self.app)
        try:
            _reached(body.id, "chord: before publish")
            self._call(body, ended)
            _reached(body.id, "chord: published")
            self._ensure_retryable(chords.forget, ended.chord)
        except NOT_NOW as error:
            logger.warning("chord %s is left to the sweep: %s", ended.chord.group_id, error)
            return False
        return True

    def _call(self, body: Signature[Any], ended: Ended) -> None:
        """Raises what is in NOT_NOW."""
        chord = ended.chord
        members = [result_from_tuple(member, app=self.app) for member in chord.members]
        header = GroupResult(chord.group_id, members, app=self.app)
        if not ended.all_succeeded:
            _tell_error_callbacks(body, ended.failed)
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
        """Called by Celery once a day: delete what has expired, chords too, and the stock backend's counters.

        Results go by small batches, as ``prune`` deletes them all day; the stock backend's one statement would lock
        millions of rows.
        """
        if self.expires:
            expired = timezone.now() - timedelta(seconds=self.expires)
            retention.delete_expired_results(expired, CLEANUP_SECONDS)
            Chord.objects.filter(created_at__lt=expired).delete()
            ChordCounter.objects.all().delete()


def _tell_error_callbacks(body: Any, failed: list[str]) -> None:
    """Of all that are called in place of the ``body``: to them Celery names the body as what failed."""
    for errback in maybe_list(body["options"].get("link_error")) or []:
        headers = (errback["options"].get("headers") or {}) | {FAILED_MEMBERS: failed}
        errback["options"] = {**errback["options"], "headers": headers}
    parts = body["kwargs"] if body["subtask_type"] else {}  # what a plain task has there are its arguments
    for part in [*parts.get("tasks", []), parts.get("body")]:
        if part:
            _tell_error_callbacks(part, failed)


def _reached(task_id: str | None, point: str) -> None:
    """For tasks of a run alone: their ids are ``<run id>.<step>``, others have no dot."""
    run_id, dot, step = (task_id or "").rpartition(".")
    if dot:
        points.reached(run_id, step, point)
