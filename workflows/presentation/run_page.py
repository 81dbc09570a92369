"""All that the page of one run shows."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone

from workflows.models import Attempt, CallbackCall, Run, Step
from workflows.presentation import graph, timeline
from workflows.presentation.celery_results import (
    LONG_ERROR,
    ShownCelery,
    ShownGroup,
    as_text,
    show_celery,
    show_groups,
)
from workflows.presentation.graph import Graph
from workflows.presentation.timeline import Line, Timeline
from workflows.presentation.words import (
    ShownRun,
    ShownStep,
    attempt_error_for,
    cut,
    error_for,
    kind_title_of,
    result_for,
    show_run,
    stages_of,
    title_of,
)
from workflows.results.tree import disagreements
from workflows.results.walk import walk

# The newest attempts that a run's pages look at: one that is put off for six hours has some eighty.
MOST_ATTEMPTS = 300
# Which step is shown where none is asked for: the first in the first of these states, else the last that is done.
TELLING = (Step.State.FAILED, Step.State.RETRYING, Step.State.RUNNING)


class NoSuchStep(LookupError):
    """The run has no step of this name."""


@dataclass(frozen=True)
class ShownAttempt:
    row: Attempt
    outcome: str
    error: str


@dataclass(frozen=True)
class SelectedStep:
    shown: ShownStep
    row: Step
    place: str
    error: str
    result: str
    attempts: tuple[ShownAttempt, ...]
    celery: ShownCelery
    disagreement: str


@dataclass(frozen=True)
class ShownCall:
    row: CallbackCall
    step: str


@dataclass(frozen=True)
class RunPage:
    """``lines`` are the timeline's with their steps; ``disagreements`` titles of steps with what is said of each."""

    kind: str
    view: ShownRun
    graphs: list[Graph]
    timeline: Timeline
    lines: tuple[tuple[ShownStep, Line], ...]
    selected: SelectedStep | None
    calls: tuple[ShownCall, ...]
    celery_problem: str
    groups: tuple[ShownGroup, ...]
    disagreements: tuple[tuple[str, str], ...]


def show_page(run: Run, *, staff: bool, step: str = "") -> RunPage:
    """Raises NoSuchStep where ``step`` is asked for and the run has none."""
    view = show_run(run, staff=staff)
    attempts = attempts_at(run)
    tree = walk(run.results)
    differing = disagreements(stages_of(run), tree)
    chosen = select(run, step)
    selected = None
    if chosen:
        says = differing.get(chosen.name, "")
        celery = show_celery(tree.of(chosen), tree, run, staff=staff)
        selected = _selected(chosen, view, attempts, celery, says, staff=staff)
    times = timeline.draw(run, attempts, timezone.now())
    calls = [ShownCall(call, title_of(run, call.step) if call.step else "") for call in run.callback_calls.all()]
    return RunPage(
        kind=kind_title_of(run),
        view=view,
        graphs=graph.draw(view),
        timeline=times,
        lines=tuple(zip((step for stage in view.stages for step in stage), times.lines, strict=True)),
        selected=selected,
        calls=tuple(calls),
        celery_problem=tree.problem,
        groups=show_groups(tree, run),
        disagreements=tuple((title_of(run, name), says) for name, says in differing.items()),
    )


def shown_runs() -> QuerySet[Run]:
    """All runs, with what their pages show of them."""
    related = ("sign_in__verdict", "sign_in__user", "sign_in__notice", "user")
    return Run.objects.select_related(*related).prefetch_related("steps")


def attempts_at(run: Run) -> list[Attempt]:
    """Those that did not do their step, the first ones first."""
    newest = Attempt.objects.filter(step__in=[step.pk for step in run.steps.all()]).order_by("-pk")
    return list(newest[:MOST_ATTEMPTS])[::-1]


def select(run: Run, name: str = "") -> Step | None:
    """The step of that name, else the one that tells most; None of a run that has none. Raises NoSuchStep."""
    steps = [step for stage in stages_of(run) for step in stage]
    if name:
        found = next((step for step in steps if step.name == name), None)
        if found is None:
            raise NoSuchStep(name)
        return found
    for state in TELLING:
        for step in steps:
            if step.state == state:
                return step
    done = [step for step in steps if step.state in Step.DONE]
    return done[-1] if done else next(iter(steps), None)


def _selected(
    step: Step, view: ShownRun, attempts: list[Attempt], celery: ShownCelery, says: str, *, staff: bool
) -> SelectedStep:
    number, shown = next(
        (number, shown) for number, stage in enumerate(view.stages) for shown in stage if shown.name == step.name
    )
    failed = [attempt for attempt in attempts if attempt.step_id == step.pk]
    return SelectedStep(
        shown=shown,
        row=step,
        place=graph.place_of(shown, view.stages, number),
        error=cut(error_for(step, view.notice, staff=staff), LONG_ERROR),
        result=as_text(result_for(step, staff=staff)),
        attempts=tuple(
            ShownAttempt(
                attempt,
                attempt.get_outcome_display(),
                cut(attempt_error_for(attempt, step.name, staff=staff), LONG_ERROR),
            )
            for attempt in failed
        ),
        celery=celery,
        disagreement=says,
    )
