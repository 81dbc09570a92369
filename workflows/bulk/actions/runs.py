"""What can be done to many runs."""

from __future__ import annotations

from operator import attrgetter

from django.db.models import Min, Q
from django.utils import timezone
from django_celery_results.models import TaskResult

from workflows import kinds, publishing
from workflows import runs as all_runs
from workflows.bulk.registry import Action, Did, RowFailed, Work, register
from workflows.models import Run, Step
from workflows.steering import actions


def resume(run: Run, work: Work) -> Did:
    if run.state != Run.State.FAILED:
        return Did.SKIPPED
    try:
        actions.steer(run.pk, actions.Action.RESUME, by=work.by)
    except actions.Refused as refusal:
        raise RowFailed(str(refusal)) from refusal
    return Did.DONE


def run_again(run: Run, work: Work) -> Did:
    """Do what was not done when the run ended, and what comes after that; what was done before it stays done.

    So nothing that has happened outside happens again: a mail that went out stays the only one, and a post to the
    risk service has the key that it had.
    """
    ended = Run.objects.select_for_update().filter(pk=run.pk).exclude(state__in=Run.UNFINISHED)
    if not ended.values_list("pk", flat=True):
        raise RowFailed("The run has not ended: it goes on by itself.")
    try:
        kinds.get(run.kind)
    except kinds.UnknownKind as error:
        raise RowFailed(f"This version of the site does not know the workflow “{run.kind}”.") from error
    steps = Step.objects.filter(run=run)
    undone = ~Q(state=Step.State.SUCCEEDED)
    first = steps.filter(undone).aggregate(first=Min("stage"))["first"]
    if first is None:
        return Did.SKIPPED
    if steps.filter(leased_until__gt=timezone.now()).exists():
        raise RowFailed(actions.AT_IT)
    again = steps.filter(undone | Q(stage__gt=first))
    # For Celery success is final: a group whose member was skipped would be complete before that is done.
    TaskResult.objects.filter(task_id__in=[step.task_id for step in again]).delete()
    again.update(state=Step.State.WAITING, started_at=None, finished_at=None, leased_until=None, cut_off=0, error="")
    all_runs.go_on_with(ended, recover_at=timezone.now() + all_runs.UNPUBLISHED)
    publishing.publish_on_commit(run)
    return Did.DONE


register(
    Action(
        name="resume",
        title="resume failed runs",
        model=Run,
        permission="bulk_resume",
        do=resume,
        explains="Each run that has failed goes on from the step that failed. Others are left alone.",
        publishes=True,
        related=("sign_in", "user"),
    )
)
register(
    Action(
        name="run_again",
        title="run again what was left out",
        model=Run,
        permission="bulk_run_again",
        do=run_again,
        explains=(
            "Each run that has ended does the steps that failed, were skipped or cancelled, and those behind them. "
            "Runs of which every step is done are left alone; no mail that went out is sent again."
        ),
        publishes=True,
        subject=attrgetter("owner.pk"),
        related=("sign_in__user", "user"),
    )
)
