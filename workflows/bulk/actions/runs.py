"""What can be done to many runs."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms

from workflows import kinds
from workflows.bulk.registry import Action, Did, RowFailed, Skipped, Work, register
from workflows.models import Run
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
    except actions.AtIt as refusal:
        raise RowFailed(str(refusal)) from refusal
    except actions.Refused as refusal:
        return Skipped(str(refusal))
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
    destroys=True,
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
_register_steering(
    actions.Action.RUN_AGAIN,
    "run again what was left out",
    "The steps that failed, were skipped or cancelled are done, and those behind them again. What was done before them "
    "stays done, and no mail that went out is sent again.",
    publishes=True,
)
