"""What can be done to many runs."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import Any

from django import forms
from django.db.models import Min, Q
from django.utils import timezone
from django_celery_results.models import TaskResult

from workflows import kinds, publishing
from workflows import runs as all_runs
from workflows.bulk.registry import Action, Did, RowFailed, Skipped, Work, register
from workflows.models import Run, Step
from workflows.steering import actions


class StepForm(forms.Form):
    step = forms.ChoiceField(label="Step to skip", choices=lambda: [("", "Choose one"), *_skippable().items()])


def _skippable() -> dict[str, str]:
    """What may be skipped in a run of one kind or another, and what it is called."""
    return {step.name: step.title for kind in kinds.all_kinds() for step in kind.steps if step.skippable}


def steer(action: actions.Action, run: Run, work: Work) -> Did | Skipped:
    """What an operator may do to a run, as on its page: with its entry in the security log."""
    try:
        if action is actions.Action.RETRY:
            actions.retry_waiting_steps(run.pk, by=work.by)
        else:
            actions.steer(run.pk, action, work.job.parameters.get("step", ""), by=work.by)
    except actions.Refused as refusal:
        if str(refusal) == actions.AT_IT:
            raise RowFailed(actions.AT_IT) from refusal
        return Skipped(str(refusal))
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


def _register_steering(action: actions.Action, title: str, explains: str, **more: Any) -> None:
    register(
        Action(
            name=action,
            title=title,
            model=Run,
            permission=actions.PERMISSIONS[action].removeprefix("workflows."),
            do=partial(steer, action),
            explains=f"{explains} A run that does not allow it as it stands is left alone, and the job says why.",
            **more,
        )
    )


_register_steering(
    actions.Action.RESUME,
    "resume failed runs",
    "Each run goes on from what failed; what is done is not done again. Do so when the cause is mended.",
    publishes=True,
)
_register_steering(
    actions.Action.RETRY,
    "try again now what waits for it",
    "What waits to be tried again is attempted at once. If it cannot be done, it waits again.",
    publishes=True,
)
_register_steering(
    actions.Action.SKIP,
    "skip a step of runs",
    "The step is not done, now or later, and each run goes on without it; what else failed is tried again. Where it is "
    "the risk service's verdict that is missing, LOGINWATCH_NO_VERDICT says what is done.",
    publishes=True,
    form=StepForm,
)
_register_steering(
    actions.Action.CANCEL,
    "cancel runs",
    "No further step of these runs is begun, and mails of theirs that have not gone out are not sent. A step that a "
    "worker is at may still end.",
    destroys=True,
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
