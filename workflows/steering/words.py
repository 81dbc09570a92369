"""What the pages say of what an operator may do to a run."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from accounts.models import User
from workflows.models import Run, Step
from workflows.presentation.words import title_of
from workflows.steering.actions import Action, may_steer, why_not


@dataclass(frozen=True)
class Wording:
    """``{step}`` stands for what the step is called."""

    button: str
    question: str
    consequence: str
    done: str


WORDINGS = {
    Action.RESUME: Wording(
        button="Resume the run",
        question="Resume this run?",
        consequence="It goes on from what failed; what is done is not done again. Do so when the cause is mended.",
        done="The run goes on from what failed.",
    ),
    Action.RETRY: Wording(
        button="Try again now: {step}",
        question="Try this step again now?",
        consequence="It is attempted at once, and not when its pause is over. If it cannot be done, it waits again.",
        done="The step is tried again: {step}.",
    ),
    Action.SKIP: Wording(
        button="Skip: {step}",
        question="Skip this step?",
        consequence="The step is not done, now or later, and the run goes on without it; what else failed is tried "
        "again. Where it is the risk service's verdict that is missing, LOGINWATCH_NO_VERDICT says what is done.",
        done="The step was skipped: {step}. The run goes on.",
    ),
    Action.CANCEL: Wording(
        button="Cancel the run",
        question="Cancel this run?",
        consequence="No further step is begun, and a mail that has not gone out is not sent. A step that a worker is "
        "at may still end. Nobody goes on with the run, unless somebody has it run again what was left out.",
        done="The run was cancelled.",
    ),
    Action.RUN_AGAIN: Wording(
        button="Run again what was left out",
        question="Run again what this run left out?",
        consequence="The steps that failed, were skipped or cancelled are done, and those behind them again. What was "
        "done before them stays done, and no mail that went out is sent again.",
        done="The run does what was left out.",
    ),
}


@dataclass(frozen=True)
class Offer:
    """Something that may be done now; ``url`` leads to the page that asks whether it shall be."""

    label: str
    url: str


def offers(run: Run, user: User) -> list[Offer]:
    """What this person may do to the run as it stands; nothing for who is no operator."""
    of_steps = [(action, step) for step in run.steps.all() for action in (Action.RETRY, Action.SKIP)]
    # Of a run that failed, to resume it is the same and less.
    goes_on = Action.RESUME if run.state == Run.State.FAILED else Action.RUN_AGAIN
    all_there_is = [(goes_on, None), *of_steps, (Action.CANCEL, None)]
    permitted = {action for action in Action if may_steer(user, action)}
    return [
        Offer(in_words(run, step, WORDINGS[action].button), url_of(run, action, step))
        for action, step in all_there_is
        if action in permitted and not why_not(run, action, step)
    ]


def in_words(run: Run, step: Step | None, words: str) -> str:
    return words.format(step=title_of(run, step.name)) if step else words


def url_of(run: Run, action: Action, step: Step | None) -> str:
    return reverse(f"workflows:{action}", args=[run.pk, step.name] if step else [run.pk])
