"""What an operator may do to a run: resume it, have a step tried again at once, skip a step, cancel it.

Each is one transaction with its entry in the security log, and the run's row is locked first: of two operators at once
one wins, and the other is told why there is nothing left to do. Then the run is published; where the broker is away,
recovery does so.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from accounts import security_log
from accounts.models import SecurityEvent, User
from workflows import kinds, ledger, notifying, publishing, runs
from workflows.models import Run, Step

State = Step.State
STEERABLE = (*Run.UNFINISHED, Run.State.FAILED)
AT_IT = "A worker is at this step at this very moment. Look again when it has ended."


class Action(StrEnum):
    """RETRY and SKIP are of a step, the others of the run."""

    RESUME = "resume"
    RETRY = "retry"
    SKIP = "skip"
    CANCEL = "cancel"


PERMISSIONS = {
    Action.RESUME: "workflows.resume_run",
    Action.RETRY: "workflows.retry_step",
    Action.SKIP: "workflows.skip_step",
    Action.CANCEL: "workflows.cancel_run",
}


class Refused(Exception):
    """It cannot be done as things stand. The text is a sentence for people."""


def may_steer(user: User, action: Action) -> bool:
    return user.is_staff and user.has_perm(PERMISSIONS[action])


@transaction.atomic
def steer(run_id: UUID, action: Action, step_name: str = "", *, by: User) -> None:
    """Do it, and note that this operator did. Raises Refused."""
    run = _locked_run(run_id)
    step = _locked_step(run, step_name) if step_name else None
    if reason := why_not(run, action, step):
        raise Refused(reason)
    match action:
        case Action.RESUME:
            _go_on(run)
        case Action.RETRY if step:
            ledger.release_steps(run.pk, name=step.name)
            _go_on(run)
        case Action.SKIP if step:
            ledger.skip_step(step)
            if step.name == notifying.STEP:
                notifying.give_up(run.pk, "an operator had the run go on without it")
            _go_on(run)
        case Action.CANCEL:
            _cancel(run)
    # The operator's address is not noted: the log is searched for the addresses of whom it is about.
    details = {"run": str(run.pk), "action": action, "step": step_name, "by": {"id": by.pk, "name": by.get_username()}}
    security_log.append_event(run.owner, SecurityEvent.Kind.RUN_STEERED, details)


@transaction.atomic
def retry_waiting_steps(run_id: UUID, *, by: User) -> None:
    """Have whatever step of the run waits for that tried again at once. Raises Refused."""
    waiting = list(Step.objects.filter(run=run_id, state=State.RETRYING).values_list("name", flat=True))
    for name in waiting:
        steer(run_id, Action.RETRY, name, by=by)
    if not waiting:
        raise Refused("No step of the run waits to be tried again.")


def why_not(run: Run, action: Action, step: Step | None = None) -> str:
    """Why this cannot be done as things stand, in a sentence; "" where it can."""
    if run.state not in STEERABLE:
        return _ended(run)
    if action is Action.CANCEL:
        return ""
    if not _is_known(run):
        return f"This version of the site does not know the workflow “{run.kind}”."
    if action is Action.RESUME:
        return "" if run.state == Run.State.FAILED else _not_failed(run)
    if step is None:
        return "The run has no such step."
    return _why_not_retry(run, step) if action is Action.RETRY else _why_not_skip(run, step)


def _why_not_retry(run: Run, step: Step) -> str:
    if run.state == Run.State.FAILED:
        return "The run has failed: resume it, and it goes on from what failed."
    if step.state == State.RETRYING:
        return ""
    if _is_attempted(step):
        return AT_IT
    return f"The step is {step.get_state_display()}: it does not wait to be tried again, or does so no longer."


def _why_not_skip(run: Run, step: Step) -> str:
    if not _is_skippable(run, step.name):
        return "The run cannot go on without this step."
    if step.state == State.SKIPPED:
        return "The step was skipped already."
    if step.state == State.SUCCEEDED:
        return "The step is done: there is nothing to skip."
    return AT_IT if _is_attempted(step) else ""


def _ended(run: Run) -> str:
    if run.state == Run.State.CANCELLED:
        return "The run was cancelled: nobody goes on with it."
    return f"The run has ended ({run.get_state_display()}): there is nothing left to do."


def _not_failed(run: Run) -> str:
    if run.resumed:
        return "The run goes on already: somebody has resumed it."
    return f"The run has not failed: it is {run.get_state_display()}, and goes on by itself."


def _is_attempted(step: Step) -> bool:
    return step.state == State.RUNNING and step.leased_until is not None and step.leased_until > timezone.now()


def _is_known(run: Run) -> bool:
    return run.kind in {kind.name for kind in kinds.all_kinds()}


def _is_skippable(run: Run, name: str) -> bool:
    return name in {step.name for step in kinds.get(run.kind).steps if step.skippable}


def _locked_run(run_id: UUID) -> Run:
    found = Run.objects.select_for_update(of=("self",)).select_related("sign_in__user", "user").filter(pk=run_id)
    if run := found.first():
        return run
    raise Refused("The run is not there any more.")


def _locked_step(run: Run, name: str) -> Step | None:
    """Not waited for: who has locked it is at the step, and may wait for the run, whose row is locked here."""
    found = Step.objects.filter(run=run, name=name)
    free = found.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
    step = free.first()
    if step is None and found.exists():
        raise Refused(AT_IT)
    return step


def _go_on(run: Run) -> None:
    recover_at = timezone.now() + runs.UNPUBLISHED
    if run.state == Run.State.FAILED:
        runs.reopen([run.pk], recover_at)
    else:
        runs.hasten(run.pk, recover_at)
    publishing.publish_on_commit(run)


def _cancel(run: Run) -> None:
    runs.cancel_run(run.pk)
    ledger.release_steps(run.pk)
    notifying.give_up(run.pk, "the run was cancelled")
