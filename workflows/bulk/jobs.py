"""What becomes of a job: queued, approved, stopped, gone on with, retried. Each with its entry in the security log."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts import security_log
from accounts.models import SecurityEvent, User
from workflows.bulk import lanes, registry, upkeep
from workflows.bulk.models import BulkJob
from workflows.bulk.registry import Action
from workflows.bulk.selection import as_tried, is_same

State = BulkJob.State
APPROVE = "workflows.approve_bulkjob"


class Act(StrEnum):
    """What is done to a job. START: after a dry run, the same for real."""

    APPROVE = "approve"
    DECLINE = "decline"
    STOP = "stop"
    GO_ON = "go-on"
    RETRY = "retry"
    START = "start"


class Refused(Exception):
    """It cannot be done as things stand. The text is a sentence for people."""


def needs_approval(action: Action) -> bool:
    """Whether a second person has to agree to a job that does this."""
    return bool(settings.BULK_APPROVAL and action.destroys)


@transaction.atomic
def queue(
    action: Action,
    *,
    selection: dict[str, Any],
    parameters: dict[str, Any],
    by: User,
    token: UUID,
    dry_run: bool = False,
    known: Collection[BulkJob] | None = None,
) -> tuple[BulkJob, bool]:
    """The job of this form, and whether it is new: a form that is sent twice makes one. Raises Refused.

    ``known``: the jobs that do the same of which ``by`` was told, beside no other is it queued; None: beside whichever.
    """
    if not registry.may(by, action):
        raise Refused(_lacking(action.full_permission))
    dry_run = dry_run and action.destroys
    _one_at_a_time()
    if known is not None and not dry_run:
        twin = twin_of(action, selection=selection, parameters=parameters, token=token)
        if twin and twin not in known:
            raise Refused(already(twin))
    waits = needs_approval(action) and not dry_run
    job, is_new = BulkJob.objects.get_or_create(
        token=token,
        defaults={
            "action": action.name,
            "selection": selection,
            "parameters": parameters,
            "requested_by": by,
            "dry_run": dry_run,
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


def start_for_real(tried: BulkJob, *, by: User) -> BulkJob:
    """After a dry run the same, of no more rows, and one job, however often this person asks for it. Raises Refused."""
    if why := why_not(tried, Act.START, by):
        raise Refused(why)
    action, token = registry.get(tried.action), uuid5(tried.pk, str(by.pk))
    chosen = as_tried(action, tried.selection, tried.total)
    return queue(action, selection=chosen, parameters=tried.parameters, by=by, token=token, known=[])[0]


def twin_of(
    action: Action, *, selection: dict[str, Any], parameters: dict[str, Any], token: UUID | None = None
) -> BulkJob | None:
    """The newest job of another form that does the same to the same rows and has not ended, or may go on."""
    may_be = Q(finished_at=None) | Q(state=State.STOPPED, finished_at__gte=timezone.now() - upkeep.KEEP_CHUNKS)
    for job in _like(action.name, selection, parameters, BulkJob.objects.filter(may_be)):
        if job.token != token and not (job.state == State.STOPPED and _why_not_go_on(job)):
            return job
    return None


def _like(
    action: str, selection: dict[str, Any], parameters: dict[str, Any], among: QuerySet[BulkJob]
) -> Iterator[BulkJob]:
    """The newest first."""
    for job in among.filter(action=action, dry_run=False).select_related("requested_by").order_by("-pk"):
        if job.parameters == parameters and is_same(job.selection, selection):
            yield job


def already(twin: BulkJob) -> str:
    """In words, that this one is there."""
    return f"The same job is there already, {twin.get_state_display()}: {twin.pk}."


@transaction.atomic
def approve(job: BulkJob, *, by: User) -> None:
    """A second person agrees. Raises Refused."""
    _take(job, Act.APPROVE, by)
    _set(job, State.PREPARING, approved_by=by)
    _log(job, "approved", by)
    _start(job)


@transaction.atomic
def decline(job: BulkJob, *, by: User) -> None:
    """A second person does not agree, for which they need not be one who may do it. Raises Refused."""
    _take(job, Act.DECLINE, by)
    _set(job, State.STOPPED, error=f"{by.get_username()} has declined it.", finished_at=timezone.now())
    _log(job, "declined", by)


@transaction.atomic
def stop(job: BulkJob, *, by: User) -> None:
    """What is under way at this moment is ended, and nothing begun after it. Raises Refused."""
    _take(job, Act.STOP, by)
    _set(job, State.STOPPED, error="", finished_at=timezone.now())
    _log(job, "stopped", by)


@transaction.atomic
def go_on(job: BulkJob, *, by: User) -> None:
    """Raises Refused."""
    _take(job, Act.GO_ON, by)
    _refuse_beside_the_same(job)
    state = State.RUNNING if job.is_prepared and not job.is_retrying else State.PREPARING
    running = {"running_since": timezone.now(), "counted_by_then": F("done") + F("skipped") + F("failed")}
    _set(job, state, error="", finished_at=None, **running)
    _log(job, "gone on with", by)
    if state == State.RUNNING:
        lanes.go_on(job)
    else:
        lanes.begin(job, 1)


@transaction.atomic
def retry_failed(job: BulkJob, *, by: User) -> None:
    """Do the rows that failed once more; a stopped job goes on with the others, too. Raises Refused."""
    _take(job, Act.RETRY, by)
    if job.state == State.STOPPED:
        if not lanes.are_free(job):  # which is a matter of a moment
            raise Refused("The job is only just being stopped. Retry the failed rows in a minute.")
        _refuse_beside_the_same(job)
    again = {"is_retrying": True, "error": "", "finished_at": None, "mail_due_at": None, "round": F("round") + 1}
    _set(job, State.PREPARING, **again)
    _log(job, "failed rows retried", by)
    lanes.begin(job, 1)


@transaction.atomic
def end_for(job: BulkJob, state: State, why: str) -> None:
    """The job cannot go on; ``why`` is a sentence for people. Of one that has failed its requester gets a mail."""
    now = timezone.now()
    mail_due_at = now if state == State.FAILED else None
    active = BulkJob.objects.filter(pk=job.pk, state__in=BulkJob.ACTIVE)
    if active.update(state=state, error=why, finished_at=now, mail_due_at=mail_due_at):
        _log(job, state.label, None, why=why)


def note(job: BulkJob, why: str) -> None:
    """Why it waits; gone as soon as it gets on."""
    BulkJob.objects.filter(pk=job.pk, state__in=BulkJob.ACTIVE).update(error=why)


def why_not(job: BulkJob, act: Act, by: User) -> str:
    """Why this person cannot do this to the job as things stand, in a sentence; "" where they can."""
    return _why_may_not(job, act, by) or why_not_now(job, act)


def why_not_now(job: BulkJob, act: Act) -> str:
    """The same, whoever it is."""
    state = job.get_state_display()
    match act:
        case Act.APPROVE | Act.DECLINE:
            return "" if job.state == State.WAITING else f"The job does not wait for approval: it is {state}."
        case Act.STOP:
            return f"There is nothing left to stop: the job is {state}." if job.state in BulkJob.ENDED else ""
        case Act.GO_ON:
            return _why_not_go_on(job)
        case Act.RETRY:
            return _why_not_retry(job)
        case Act.START:
            is_tried = job.dry_run and job.state == State.FINISHED
            return "" if is_tried else "Only a dry run that has finished can be started for real."


def _why_may_not(job: BulkJob, act: Act, by: User) -> str:
    if act in {Act.APPROVE, Act.DECLINE}:
        if not by.is_staff or not by.has_perm(APPROVE):
            return _lacking(APPROVE)
        is_own = by.pk == job.requested_by_id
        return "Another person than the one who started the job has to approve it." if is_own else ""
    try:
        action = registry.get(job.action)
    except registry.UnknownAction as unknown:
        return "" if by.is_active and by.is_superuser and act is not Act.START else str(unknown)
    return "" if registry.may(by, action) else _lacking(action.full_permission)


def _why_not_go_on(job: BulkJob) -> str:
    if job.state != State.STOPPED:
        return f"The job was not stopped: it is {job.get_state_display()}."
    if job.started_at is None:  # it would get around the second person
        return "The job was stopped before it was approved. Start a new one from the list."
    if not upkeep.keeps(job):  # selected anew, rows that are done would be done again, and people get a mail twice
        return "It was stopped more than a week ago: what was left of it is kept no longer. Start a new one."
    return ""


def _why_not_retry(job: BulkJob) -> str:
    if job.state not in {State.FINISHED, State.STOPPED}:
        return f"The failed rows can be retried when the job has ended: it is {job.get_state_display()}."
    if not job.failed or not job.is_prepared:
        return "No row of the job has failed."
    if job.state == State.STOPPED:
        return _why_not_go_on(job)
    if registry.writes_file(job.action) and not upkeep.keeps(job):
        return "It ended more than a week ago: its file is kept no longer, and would have the retried rows alone."
    return "It ended too long ago: which rows failed is kept no longer." if upkeep.is_due(job) else ""


def _lacking(permission: str) -> str:
    return f"You have not the permission {permission}."


def _refuse_beside_the_same(stopped: BulkJob) -> None:
    """While the same job is under way: it does all rows that this one has left. Raises Refused."""
    _one_at_a_time()
    under_way = BulkJob.objects.filter(finished_at=None)
    if twin := next(_like(stopped.action, stopped.selection, stopped.parameters, under_way), None):
        raise Refused(already(twin))


def _one_at_a_time() -> None:
    """Until the transaction ends, before the same job is looked for: of two at once neither would see the other."""
    ContentType.objects.select_for_update(no_key=True).get(app_label="workflows", model="bulkjob")


def _start(job: BulkJob) -> None:
    BulkJob.objects.filter(pk=job.pk).update(started_at=timezone.now())
    lanes.begin(job, 1)


def _take(job: BulkJob, act: Act, by: User) -> None:
    """Lock the job and read it anew: of two people at once one wins. Raises Refused."""
    if act in {Act.GO_ON, Act.RETRY}:
        lanes.lock(job)
    job.refresh_from_db(from_queryset=BulkJob.objects.select_for_update())
    if why := why_not(job, act, by):
        raise Refused(why)


def _set(job: BulkJob, state: State, **fields: Any) -> None:
    """Of one that is locked."""
    BulkJob.objects.filter(pk=job.pk).update(state=state, **fields)


def _log(job: BulkJob, what: str, by: User | None, **more: Any) -> None:
    """On the account of who started it; ``by`` whom, the details say."""
    who = {"id": by.pk, "name": by.get_username()} if by else {"name": "the site"}
    if job.requested_by:
        details = {"job": str(job.pk), "action": job.action, "what": what, "by": who, **more}
        security_log.append_event(job.requested_by, SecurityEvent.Kind.BULK_JOB, details)
