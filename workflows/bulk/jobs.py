"""What becomes of a job: queued, approved, stopped, gone on with, retried. Each with its entry in the security log."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import security_log
from accounts.models import SecurityEvent, User
from workflows.bulk import lanes, registry, upkeep
from workflows.bulk.models import BulkJob
from workflows.bulk.registry import Action

State = BulkJob.State


class Refused(Exception):
    """It cannot be done as things stand. The text is a sentence for people."""


@transaction.atomic
def queue(
    action: Action,
    *,
    selection: dict[str, Any],
    parameters: dict[str, Any],
    by: User,
    token: UUID,
    dry_run: bool = False,
) -> tuple[BulkJob, bool]:
    """The job of this form, and whether it is new: a form that is sent twice makes one. Raises Refused."""
    if not registry.may(by, action):
        raise Refused(f"You have not the permission {action.full_permission}.")
    waits = settings.BULK_APPROVAL and action.destroys and not dry_run
    job, is_new = BulkJob.objects.get_or_create(
        token=token,
        defaults={
            "action": action.name,
            "selection": selection,
            "parameters": parameters,
            "requested_by": by,
            "dry_run": dry_run and action.destroys,
            "state": State.WAITING if waits else State.PREPARING,
        },
    )
    if job.requested_by_id != by.pk:
        raise Refused("This form was another person's. Begin again from the list.")
    if is_new:
        _log(job, "queued", by, parameters=parameters, selection=selection, dry_run=job.dry_run)
        if not waits:
            _start(job)
    return job, is_new


@transaction.atomic
def approve(job: BulkJob, *, by: User) -> None:
    """A second person agrees. Raises Refused."""
    _decide(job, by, State.PREPARING, approved_by=by)
    _log(job, "approved", by)
    _start(job)


@transaction.atomic
def decline(job: BulkJob, *, by: User) -> None:
    """A second person does not agree, for which they need not be one who may do it. Raises Refused."""
    _decide(job, by, State.STOPPED, error=f"{by.get_username()} has declined it.", finished_at=timezone.now())
    _log(job, "declined", by)


@transaction.atomic
def stop(job: BulkJob, *, by: User | None) -> None:
    """What is under way at this moment is ended, and nothing begun after it. Raises Refused."""
    if not _move(job, (State.WAITING, *BulkJob.ACTIVE), State.STOPPED, error="", finished_at=timezone.now()):
        raise Refused(f"There is nothing left to stop: the job is {_state_now(job)}.")
    _log(job, "stopped", by)


@transaction.atomic
def go_on(job: BulkJob, *, by: User | None) -> None:
    """Raises Refused."""
    lanes.lock(job)
    job.refresh_from_db()
    _refuse_unapproved(job)
    _refuse_forgotten(job)
    state = State.RUNNING if job.is_prepared and not job.is_retrying else State.PREPARING
    running = {"running_since": timezone.now(), "counted_by_then": F("done") + F("skipped") + F("failed")}
    if not _move(job, (State.STOPPED,), state, error="", finished_at=None, **running):
        raise Refused(f"The job was not stopped: it is {_state_now(job)}.")
    _log(job, "gone on with", by)
    if state == State.RUNNING:
        lanes.go_on(job)
    else:
        lanes.begin(job, 1)


@transaction.atomic
def retry_failed(job: BulkJob, *, by: User | None) -> None:
    """Do the rows that failed once more; a stopped job goes on with the others, too. Raises Refused."""
    lanes.lock(job)
    job.refresh_from_db()
    _refuse_unapproved(job)
    _refuse_forgotten(job)
    if not job.failed or not job.is_prepared:
        raise Refused("No row of the job has failed.")
    if job.state == State.STOPPED and not lanes.are_free(job):
        raise Refused("The job is only just being stopped. Retry the failed rows in a minute.")
    again = {"is_retrying": True, "error": "", "finished_at": None, "mail_due_at": None, "round": F("round") + 1}
    if not _move(job, (State.FINISHED, State.STOPPED), State.PREPARING, **again):
        raise Refused(f"The failed rows can be retried when the job has ended: it is {_state_now(job)}.")
    _log(job, "failed rows retried", by)
    lanes.begin(job, 1)


@transaction.atomic
def end_for(job: BulkJob, state: State, why: str) -> None:
    """The job cannot go on; ``why`` is a sentence for people. Of one that has failed its requester gets a mail."""
    now = timezone.now()
    mail_due_at = now if state == State.FAILED else None
    if _move(job, BulkJob.ACTIVE, state, error=why, finished_at=now, mail_due_at=mail_due_at):
        _log(job, state.label, None, why=why)


def note(job: BulkJob, why: str) -> None:
    """Why it waits; gone as soon as it gets on."""
    BulkJob.objects.filter(pk=job.pk, state__in=BulkJob.ACTIVE).update(error=why)


def is_forgotten(job: BulkJob) -> bool:
    """A stopped job that cannot go on: which of its rows are left is kept no longer."""
    return job.state == State.STOPPED and not upkeep.keeps(job)


def may_steer(job: BulkJob, user: User) -> bool:
    """Who has the action's permission may stop it, have it go on, and retry what failed."""
    try:
        return registry.may(user, registry.get(job.action))
    except registry.UnknownAction:
        return user.is_superuser


def _decide(job: BulkJob, by: User, state: State, **fields: Any) -> None:
    if not by.is_staff or not by.has_perm("workflows.approve_bulkjob"):
        raise Refused("You have not the permission workflows.approve_bulkjob.")
    if by.pk == job.requested_by_id:
        raise Refused("Another person than the one who started the job has to approve it.")
    if not _move(job, (State.WAITING,), state, **fields):
        raise Refused(f"The job does not wait for approval: it is {_state_now(job)}.")


def _start(job: BulkJob) -> None:
    BulkJob.objects.filter(pk=job.pk).update(started_at=timezone.now())
    lanes.begin(job, 1)


def _refuse_unapproved(job: BulkJob) -> None:
    """One that was stopped before it was approved would get around the second person."""
    if job.started_at is None:
        raise Refused("The job was stopped before it was approved. Start a new one from the list.")


def _refuse_forgotten(job: BulkJob) -> None:
    """Selected anew, rows that are done would be done again, and people get a mail twice."""
    if is_forgotten(job):
        raise Refused("It was stopped more than a week ago: what was left of it is kept no longer. Start a new one.")


def _move(job: BulkJob, states: tuple[State, ...], state: State, **fields: Any) -> bool:
    return BulkJob.objects.filter(pk=job.pk, state__in=states).update(state=state, **fields) == 1


def _state_now(job: BulkJob) -> str:
    job.refresh_from_db(fields=["state"])
    return job.get_state_display()


def _log(job: BulkJob, what: str, by: User | None, **more: Any) -> None:
    """On the account of who started it; ``by`` whom, the details say."""
    who = {"id": by.pk, "name": by.get_username()} if by else {"name": "the site"}
    if job.requested_by:
        details = {"job": str(job.pk), "action": job.action, "what": what, "by": who, **more}
        security_log.append_event(job.requested_by, SecurityEvent.Kind.BULK_JOB, details)
