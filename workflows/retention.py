"""Deleting what is kept no longer: a batch a transaction, the oldest first, for a while; the next call goes on.

A sign-in goes with its run and steps, but not before the run has ended; so does a change of a password, and a run of
any other kind. The rest is in accounts/retention.py, and of bulk jobs in bulk/upkeep.py.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone
from django_celery_results.models import GroupResult, TaskResult

from accounts import retention
from accounts.models import Notice, SignIn
from workflows import about
from workflows.alerting.alerts import TELL_WITHIN
from workflows.bulk import upkeep
from workflows.models import Alert, Attempt, CallbackCall, Run, Step

# Sign-ins, or runs of none, that one transaction takes up, each with some ten rows of other tables: it lasts well under
# 100 ms.
BATCH = 100
RESULTS: tuple[type[Model], ...] = (TaskResult, GroupResult)

Deleted = Counter[str]
Batch = Callable[[], Deleted]


def delete_due(seconds: float) -> Deleted:
    """Delete what is due, for ``seconds`` and a batch at most; returns how many rows, by table."""
    simple = (partial(_delete_oldest, due) for due in SIMPLE)
    whole = (_forget_sign_ins, _delete_emptied_sign_ins, _delete_other_runs, upkeep.delete_old_job)
    return _in_turn([*whole, *simple], seconds)


def count_due() -> Deleted:
    """What ``delete_due`` would delete if it had the time, but for devices. It looks at each row of it."""
    sign_ins, others = _due_sign_ins(), _due_other_runs().order_by()
    theirs = [*_all_of(Run.objects.filter(sign_in__in=sign_ins.values("pk"))), *_all_of(others)]
    kinds = about.kinds_about_rows()
    rows = [about.rows_of(kind).filter(pk__in=about.ids_of(kind, others)) for kind in kinds]
    with_them = [each for of_a_kind in rows for each in _hanging_on(of_a_kind)]
    told = Notice.objects.filter(email_change__in=retention.due_email_changes().order_by())
    rest = (*upkeep.all_due(), *(due() for due in SIMPLE))
    return retention.count(sign_ins) + retention.sum_of([*theirs, *rows, *with_them, told, *rest])


def delete_expired_results(before: datetime, seconds: float) -> int:
    """Delete the results that Celery stored before that moment, for ``seconds`` and a batch; returns how many."""
    kinds = (partial(_delete_oldest, partial(_results_before, before, model)) for model in RESULTS)
    return _in_turn(kinds, seconds).total()


def _in_turn(batches: Iterable[Batch], seconds: float) -> Deleted:
    """Of each kind a batch in turn, so that none waits for another's backlog, until nothing is left or time is up."""
    until = time.monotonic() + seconds
    deleted = Deleted()
    left = list(batches)
    while left:
        for batch in list(left):
            done = batch()
            deleted += done
            if not done:
                left.remove(batch)
            if time.monotonic() > until:
                return deleted
    return deleted


@transaction.atomic
def _forget_sign_ins() -> Deleted:
    sign_ins = set(retention.take(_due_sign_ins(), BATCH))
    # A failed run may be reopened at this very moment. From here on it waits.
    runs = Run.objects.select_for_update().filter(sign_in__in=sign_ins)
    states = runs.values_list("sign_in", "state")
    sign_ins -= {sign_in for sign_in, state in states if state in Run.UNFINISHED}
    return retention.delete(Run.objects.filter(sign_in__in=sign_ins)) + retention.forget(sign_ins)


@transaction.atomic
def _delete_emptied_sign_ins() -> Deleted:
    return retention.delete_rows(retention.take(retention.due_emptied_sign_ins(), BATCH))


@transaction.atomic
def _delete_other_runs() -> Deleted:
    runs = Run.objects.filter(pk__in=retention.take(_due_other_runs(), BATCH))
    deleted = Deleted()
    for kind in about.kinds_about_rows():
        # Read first: to join by what JSON says, PostgreSQL would look at all rows.
        ids = [row for row in about.ids_of(kind, runs) if row]
        deleted += retention.delete(about.rows_of(kind).filter(pk__in=ids))
    return deleted + retention.delete(runs)


def _delete_oldest(due: Callable[[], QuerySet[Any]]) -> Deleted:
    return retention.delete_oldest(due())


def _due_sign_ins() -> QuerySet[SignIn]:
    unfinished = Run.objects.filter(sign_in=OuterRef("pk"), state__in=Run.UNFINISHED)
    return retention.due_sign_ins().filter(~Exists(unfinished))


def _due_other_runs() -> QuerySet[Run]:
    """Those of no sign-in, the oldest first."""
    ended = Run.objects.filter(sign_in=None).exclude(state__in=Run.UNFINISHED)
    return retention.older_than(settings.RETENTION_SIGN_INS_DAYS, ended)


def _hanging_on(rows: QuerySet[Any]) -> list[QuerySet[Any]]:
    """What goes with them, of each table that leads to theirs."""
    leading = [relation.remote_field for relation in rows.model._meta.related_objects]
    return [field.model._default_manager.filter(**{f"{field.name}__in": rows}) for field in leading]


def _all_of(runs: QuerySet[Run]) -> list[QuerySet[Any]]:
    """The runs, and all that goes with them."""
    steps = Step.objects.filter(run__in=runs)
    return [
        runs,
        steps,
        Attempt.objects.filter(step__in=steps),
        *(model.objects.filter(run__in=runs) for model in (CallbackCall, Alert)),
    ]


def _due_alerts() -> QuerySet[Alert]:
    """Those of no run, unless the operators are still to be told; the others go with their run."""
    over = Q(told_at__isnull=False) | Q(created_at__lt=timezone.now() - TELL_WITHIN)
    return retention.older_than(settings.RETENTION_SIGN_INS_DAYS, Alert.objects.filter(over, run=None))


def _expired_results(model: type[Model]) -> QuerySet[Any]:
    """None where they never expire."""
    expires: int | None = settings.CELERY_RESULT_EXPIRES
    if not expires:
        return model._default_manager.none()
    return _results_before(timezone.now() - timedelta(seconds=expires), model)


def _results_before(moment: datetime, model: type[Model]) -> QuerySet[Any]:
    return model._default_manager.filter(date_done__lt=moment).order_by("date_done")


# Rows on which nothing hangs, or a notice alone.
SIMPLE: tuple[Callable[[], QuerySet[Any]], ...] = (
    retention.due_failures,
    retention.due_email_changes,
    retention.due_sessions,
    _due_alerts,
    *(partial(_expired_results, model) for model in RESULTS),
)
