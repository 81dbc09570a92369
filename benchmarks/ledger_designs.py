"""The database work of one workflow, by each way of keeping a ledger: what benchmarks/ledger.py measures.

A workflow is the sign-in's transaction and five steps, each of which writes one line of the security log for its
effect and has its result stored by the site's result backend, as a worker does once the task has returned. The broker
and the joining of the group are the same in all and left out.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import current_app, states
from celery.app.task import Context
from django.db import transaction
from django.db.models import Exists
from django.db.models.functions import Coalesce
from django.utils import timezone
from django_celery_results.models import TaskResult

from accounts.models import SecurityEvent, SignIn, User
from workflows import ledger, runs
from workflows.models import Run, task_id_of
from workflows.steps import Name

Result = dict[str, Any]
Workflow = Callable[[User], UUID]

LEASE = timedelta(minutes=1)
WORKER = "worker@benchmark"
TALKS_TO_THE_OUTSIDE = (Name.NOTIFY_USER, Name.POST_TO_RISK_API)
# As large as those of the real steps.
RESULTS: dict[Name, Result] = {
    Name.CHECK_DEVICE: {"device": 123456, "status": "known", "reason": "cookie"},
    Name.NOTIFY_USER: {"notice": "not_needed"},
    Name.SAVE_EVENT: {"event": 123456, "recent_failures": 0},
    Name.POST_TO_RISK_API: {
        "version": 1, "id": "0b9f7a4e5c7d4c0f", "score": 15, "level": "low", "decision": "allow",
        "reasons": [{"code": "new_network", "text": "It has not been used from this network before.", "points": 15}],
    },
    Name.POST_PROCESS: {"verdict": 123456, "decision": "allow", "action": "nothing"},
}  # fmt: skip


class AlreadyDone(Exception):
    """Another copy of the step's message has done it, or is at it."""


# --- (a) step rows of their own, and Celery's result rows beside them: the product -------------------------
def step_rows(user: User) -> UUID:
    run_id = _create_run(user)
    for name in Name:
        _store(run_id, name, _do_in_step_row(run_id, name))
    return run_id


def step_rows_alone(user: User) -> UUID:
    """Without Celery's result rows, to see what they cost."""
    run_id = _create_run(user)
    for name in Name:
        _do_in_step_row(run_id, name)
    return run_id


def _create_run(user: User) -> UUID:
    with transaction.atomic():
        return runs.create_run(_sign_in(user)).pk


def _do_in_step_row(run_id: UUID, name: Name) -> Result:
    if name in TALKS_TO_THE_OUTSIDE:
        return ledger.outside(
            run_id, name, lambda step: RESULTS[name], lease=LEASE, note=lambda step, _: _effect(step.run, name)
        )
    return ledger.in_database(run_id, name, lambda step: _act(step.run, name))


# --- (b) Celery's result rows are the ledger ----------------------------------------------------------------
def result_rows(user: User) -> UUID:
    """Celery stores each result a second time, as it does unless told otherwise."""
    run_id = create_run_with_result_rows(user)
    for name in Name:
        _store(run_id, name, _do_in_result_row(run_id, name))
    return run_id


def result_rows_alone(user: User) -> UUID:
    """With ``ignore_result`` on the tasks: the ledger's write is the only one, and Celery joins the group by it."""
    run_id = create_run_with_result_rows(user)
    for name in Name:
        _do_in_result_row(run_id, name)
    return run_id


def create_run_with_result_rows(user: User) -> UUID:
    with transaction.atomic():
        run = Run.objects.create(sign_in=_sign_in(user), recover_at=timezone.now() + runs.UNPUBLISHED)
        TaskResult.objects.bulk_create([_waiting_row(run.pk, name) for name in Name])
    return run.pk


def _waiting_row(run_id: UUID, name: Name) -> TaskResult:
    message = _message(run_id, name)
    return TaskResult(
        task_id=message["id"],
        task_name=message["task"],
        task_args=json.dumps(message["argsrepr"]),
        task_kwargs=json.dumps(message["kwargsrepr"]),
        content_type="application/json",
        content_encoding="utf-8",
    )


def _do_in_result_row(run_id: UUID, name: Name) -> Result:
    """What ledger.py does, as far as a result row has the columns: no attempts, no lease, no count of cut-offs."""
    run = claim_result_row(run_id, name)
    with transaction.atomic():
        if name not in TALKS_TO_THE_OUTSIDE:
            TaskResult.objects.select_for_update().get(task_id=task_id_of(run_id, name))
        result = _act(run, name)
        _complete(run_id, name, result)
    return result


def claim_result_row(run_id: UUID, name: Name) -> Run:
    """Raises AlreadyDone."""
    now = timezone.now()
    claimed = TaskResult.objects.filter(
        Exists(Run.objects.filter(pk=run_id, state__in=Run.UNFINISHED)),
        task_id=task_id_of(run_id, name),
        status__in=(states.PENDING, states.RETRY),
    ).update(status=states.STARTED, date_started=Coalesce("date_started", now), worker=WORKER)
    if not claimed:
        raise AlreadyDone(task_id_of(run_id, name))
    runs.mark_running(run_id)
    return Run.objects.select_related("sign_in__user").get(pk=run_id)


def _complete(run_id: UUID, name: Name, result: Result) -> None:
    row = TaskResult.objects.filter(task_id=task_id_of(run_id, name), status=states.STARTED)
    meta = json.dumps({"children": []})
    if not row.update(status=states.SUCCESS, result=json.dumps(result), meta=meta, date_done=timezone.now()):
        raise AlreadyDone(task_id_of(run_id, name))


# --- (c) Celery's result rows alone: nothing is done once, nothing is recovered -----------------------------
def no_ledger(user: User) -> UUID:
    with transaction.atomic():
        sign_in = _sign_in(user)
        run = Run(sign_in=sign_in)
    for name in Name:
        with transaction.atomic():
            _effect(run, name)
        _store(run.pk, name, RESULTS[name])
    return run.pk


# --- What they share ----------------------------------------------------------------------------------------
def _sign_in(user: User) -> SignIn:
    return SignIn.objects.create(
        user=user, ip_address="192.0.2.7", user_agent="Mozilla/5.0", issued_token=secrets.token_hex(32)
    )


def _act(run: Run, name: Name) -> Result:
    _effect(run, name)
    if name == Name.POST_PROCESS:
        runs.finish_run(run)
    return RESULTS[name]


def _effect(run: Run, name: Name) -> None:
    SecurityEvent.objects.create(
        kind=SecurityEvent.Kind.SIGNED_IN,
        user_id=run.sign_in.user_id,
        ip_address=run.sign_in.ip_address,
        details={"step": name},
    )


def _store(run_id: UUID, name: Name, result: Result) -> None:
    """What a worker has its result backend do when a task has returned."""
    current_app.backend.mark_as_done(task_id_of(run_id, name), result, Context(_message(run_id, name)))


def _message(run_id: UUID, name: Name) -> dict[str, str]:
    """What a task's message says of it, as far as its result row has columns for that."""
    return {
        "id": task_id_of(run_id, name),
        "task": f"workflows.tasks.{name}",
        "argsrepr": f"('{run_id}',)",
        "kwargsrepr": "{}",
        "hostname": WORKER,
    }
