"""What an operator may do to a run: resume it, try a step again at once, skip one, cancel it, run it again.

Each is one transaction with its entry in the security log, and the run's row is locked first: of two operators at once
one wins, and the other is told why there is nothing left to do. Then the run is published; where the broker is away,
recovery does so.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django_celery_results.models import TaskResult

from accounts import security_log
from accounts.locking import lock_free
from accounts.models import SecurityEvent, User
from workflows import kinds, ledger, notifying, publishing, runs
from workflows.models import Run, Step
from workflows.presentation.outlook import clock
from workflows.presentation.words import title_of

State = Step.State
STEERABLE = (*Run.UNFINISHED, Run.State.FAILED)
AT_IT = "A worker is at it just now. Look again when that has ended."
AGAIN = "A step is tried again at {at}: {step}. Look again when that has ended."


class Action(StrEnum):
    """RETRY and SKIP are of a step, the others of the run."""

    RESUME = "resume"
    RETRY = "retry"
    SKIP = "skip"
    CANCEL = "cancel"
    RUN_AGAIN = "run_again"


PERMISSIONS = {
    Action.RESUME: "workflows.resume_run",
    Action.RETRY: "workflows.retry_step",
    Action.SKIP: "workflows.skip_step",
    Action.CANCEL: "workflows.cancel_run",
    Action.RUN_AGAIN: "workflows.run_again",
}


class Refused(Exception):
    """It cannot be done as things stand. The text is a sentence for people."""


class AtIt(Refused):
    """It may be done when a worker has ended what it is at, or will be."""

    def __init__(self, why: str = AT_IT) -> None:
        super().__init__(why)


def may_steer(user: User, action: Action) -> bool:
    return user.is_staff and user.has_perm(PERMISSIONS[action])


@transaction.atomic
def steer(run_id: UUID, action: Action, step_name: str = "", *, by: User) -> None:
    """Do it, and note that this operator did. Raises Refused."""
    run = _locked_run(run_id)
    step = next(iter(_locked_steps(run, name=step_name)), None) if step_name else None
    if refusal := why_not(run, action, step):
        raise refusal
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
        case Action.RUN_AGAIN:
            _run_again(run)
    _note(run, action, step_name, by)


@transaction.atomic
def retry_waiting_steps(run_id: UUID, *, by: User) -> None:
    """Have whatever steps of the run wait for that tried again at once, and note each. Raises Refused."""
    run = _locked_run(run_id)
    waiting = _locked_steps(run, state=State.RETRYING)
    if not waiting:
        raise Refused("No step of the run waits to be tried again.")
    for step in waiting:
        if refusal := why_not(run, Action.RETRY, step):
            raise refusal
        _note(run, Action.RETRY, step.name, by)
    ledger.release_steps(run.pk)
    _go_on(run)


def _note(run: Run, action: Action, step_name: str, by: User) -> None:
    # The operator's address is not noted: the log is searched for the addresses of whom it is about.
    details = {"run": str(run.pk), "action": action, "step": step_name, "by": {"id": by.pk, "name": by.get_username()}}
    security_log.append_event(run.owner, SecurityEvent.Kind.RUN_STEERED, details)


def why_not(run: Run, action: Action, step: Step | None = None) -> Refused | None:
    """Why this cannot be done as things stand; None where it can."""
    if run.state not in STEERABLE and action is not Action.RUN_AGAIN:
        return _ended(run)
    if action is Action.CANCEL:
        return None
    if not _is_known(run):
        return Refused(f"This version of the site does not know the workflow “{run.kind}”.")
    if action is Action.RUN_AGAIN:
        return _why_not_run_again(run)
    if action is Action.RESUME:
        return None if run.state == Run.State.FAILED else _not_failed(run)
    if step is None:
        return Refused("The run has no such step.")
    return _why_not_retry(run, step) if action is Action.RETRY else _why_not_skip(run, step)


def _why_not_run_again(run: Run) -> Refused | None:
    if not run.is_finished:
        return Refused("The run has not ended: it goes on by itself.")
    if all(step.state == State.SUCCEEDED for step in run.steps.all()):
        return Refused("Every step of the run is done: nothing was left out.")
    return None


def _why_not_retry(run: Run, step: Step) -> Refused | None:
    if run.state == Run.State.FAILED:
        return Refused("The run has failed: resume it, and it goes on from what failed.")
    if step.state == State.RETRYING:
        return None
    if _is_attempted(step):
        return AtIt()
    return Refused(f"The step is {step.get_state_display()}: it does not wait to be tried again, or does so no longer.")


def _why_not_skip(run: Run, step: Step) -> Refused | None:
    if not _is_skippable(run, step.name):
        return Refused("The run cannot go on without this step.")
    if step.state == State.SKIPPED:
        return Refused("The step was skipped already.")
    if step.state == State.SUCCEEDED:
        return Refused("The step is done: there is nothing to skip.")
    return AtIt() if _is_attempted(step) else None


def _ended(run: Run) -> Refused:
    if run.state == Run.State.CANCELLED:
        return Refused("The run was cancelled. “Run again what was left out” has it go on.")
    return Refused(f"The run has ended ({run.get_state_display()}): there is nothing left to do.")


def _not_failed(run: Run) -> Refused:
    if run.resumed:
        return Refused("The run goes on already: somebody has resumed it.")
    return Refused(f"The run has not failed: it is {run.get_state_display()}, and goes on by itself.")


def _is_attempted(step: Step) -> bool:
    return step.state == State.RUNNING and _is_leased(step)


def _is_leased(step: Step) -> bool:
    return step.leased_until is not None and step.leased_until > timezone.now()


def _at_it(run: Run, step: Step) -> AtIt:
    """Its lease is that of an attempt, or lasts until the next."""
    if step.state == State.RETRYING and step.leased_until:
        return AtIt(AGAIN.format(at=clock(step.leased_until), step=title_of(run, step.name)))
    return AtIt()


def _is_known(run: Run) -> bool:
    return run.kind in {kind.name for kind in kinds.all_kinds()}


def _is_skippable(run: Run, name: str) -> bool:
    return name in {step.name for step in kinds.get(run.kind).steps if step.skippable}


def _locked_run(run_id: UUID) -> Run:
    found = Run.objects.select_for_update(of=("self",)).select_related("sign_in__user", "user").filter(pk=run_id)
    if run := found.first():
        return run
    raise Refused("The run is not there any more.")


def _locked_steps(run: Run, **which: str) -> list[Step]:
    """Not waited for: who has locked one is at it, and may wait for the run, whose row is locked here. Raises AtIt."""
    found = Step.objects.filter(run=run, **which)
    free = list(lock_free(found))
    if len(free) < found.count():
        raise AtIt
    return free


def _go_on(run: Run) -> None:
    recover_at = timezone.now() + runs.UNPUBLISHED
    if run.state == Run.State.FAILED:
        runs.reopen([run.pk], recover_at)
    elif run.is_finished:
        runs.go_on_with(Run.objects.filter(pk=run.pk), recover_at)
    else:
        runs.hasten(run.pk, recover_at)
    publishing.publish_on_commit(run)


def _cancel(run: Run) -> None:
    runs.cancel_run(run.pk)
    ledger.release_steps(run.pk)
    notifying.give_up(run.pk, "the run was cancelled")


def _run_again(run: Run) -> None:
    """Have what was not done when the run ended done, and what comes after it; what was done before it stays done.

    So nothing that has happened outside happens again: a mail that went out stays the only one, and a post to the
    risk service has the key that it had.
    """
    steps = _locked_steps(run)
    for step in filter(_is_leased, steps):  # of a group whose other member failed, one may still be tried
        raise _at_it(run, step)
    undone = [step for step in steps if step.state != State.SUCCEEDED]
    first = min(step.stage for step in undone)
    again = [step for step in steps if step in undone or step.stage > first]
    # For Celery success is final: a group whose member was skipped would be complete before that is done.
    TaskResult.objects.filter(task_id__in=[step.task_id for step in again]).delete()
    Step.objects.filter(pk__in=[step.pk for step in again]).update(
        state=State.WAITING, started_at=None, finished_at=None, leased_until=None, cut_off=0, error=""
    )
    _go_on(run)
