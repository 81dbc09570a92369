"""A run as a tree of text, for a terminal: all that its page says, for those who run this site."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from django.utils import timezone

from workflows.models import Attempt, Run, Step
from workflows.presentation.celery_results import Named, ShownCelery, completed, group_of, show_celery
from workflows.presentation.words import (
    ShownStep,
    duration_in_words,
    kind_title_of,
    notice_of,
    show_step,
    stages_of,
    title_of,
)
from workflows.results.tree import Node, ResultTree, disagreements

TOGETHER = "at the same time"
# Of a traceback, the end says what it was.
LAST_LINES = 6


def tree_of(run: Run, tree: ResultTree, attempts: list[Attempt]) -> str:
    """``attempts`` are those that did not do their step."""
    differing = disagreements(stages_of(run), tree)
    canvas = _canvas(run, tree, attempts, differing)
    lines = [*_head(run), *canvas, *_callbacks(run), *_foot(run, tree, differing)]
    return "\n".join(map(_printable, lines))


def _head(run: Run) -> Iterator[str]:
    owner = run.owner
    yield f"{run.get_state_display()}: run {run.pk} of a {kind_title_of(run)} of {owner.username} ({owner.email})"
    times = (("created", run.created_at), ("started", run.started_at), ("finished", run.finished_at))
    yield ", ".join(f"{word} {_moment(at)}" for word, at in times if at) + _took(run.created_at, run.finished_at)
    last = f", last at {_moment(run.published_at)}" if run.published_at else ""
    yield f"published {_times(run.published)}{last}; healed {_times(run.healed)}; resumed {_times(run.resumed)}"
    if run.facts:
        yield f"facts {_inline(run.facts)}"
    yield ""


def _canvas(run: Run, tree: ResultTree, attempts: list[Attempt], differing: dict[str, str]) -> Iterator[str]:
    stages = stages_of(run)
    notice = notice_of(run)
    for number, stage in enumerate(stages):
        last = number == len(stages) - 1
        branches = []
        for step in stage:
            shown = show_step(step, run=run, notice=notice, staff=True)
            branches.append([*_step(step, shown, attempts), *_results(step, run, tree, differing.get(step.name, ""))])
        if len(branches) == 1:
            yield from _branch(branches[0], last=last)
        else:
            within = [line for place, lines in enumerate(branches, 1)
                      for line in _branch(lines, last=place == len(branches))]  # fmt: skip
            yield from _branch([TOGETHER, *_group(tree.of(stage[0]), tree), *within], last=last)


def _branch(lines: list[str], *, last: bool) -> Iterator[str]:
    """The first line at a fork of the tree, the others under it."""
    yield ("└─ " if last else "├─ ") + lines[0]
    for line in lines[1:]:
        yield ("   " if last else "│  ") + line


def _group(member: Node | None, tree: ResultTree) -> Iterator[str]:
    if member and (group := group_of(member, tree)):
        yield f"│  Celery  group {group.id}: {group.state}, {completed(group)} of {len(group.members)} completed"


def _step(step: Step, shown: ShownStep, attempts: list[Attempt]) -> Iterator[str]:
    said = [shown.state_word, shown.duration, shown.attempts, f"since {_moment(shown.since)}" if shown.since else ""]
    again = f"again at {_moment(shown.again_at)}" if shown.again_at else ""
    yield f"{step.name} ({shown.title}): {', '.join(text for text in (*said, again) if text)}"
    for attempt in attempts:
        if attempt.step_id == step.pk:
            yield f"   attempt {_attempt(attempt)}"
    if shown.error:
        yield f"   error   {shown.error}"
    if shown.outlook:
        yield f"   next    {shown.outlook}"


def _results(step: Step, run: Run, tree: ResultTree, differs: str) -> Iterator[str]:
    if step.result is not None:
        yield f"   result  {_inline(step.result)}"
    if node := tree.of(step):
        yield from _celery(node)
        yield f"   canvas  {_links(show_celery(node, tree, run, staff=True))}"
    if differs:
        yield f"   !       {differs}"


def _attempt(attempt: Attempt) -> str:
    following = f", next at {_moment(attempt.next_at)}" if attempt.next_at else ""
    took = duration_in_words((attempt.ended_at - attempt.began_at).total_seconds())
    outcome = attempt.get_outcome_display()
    return f"{attempt.number} at {_moment(attempt.began_at)}, {outcome} after {took}{following}: {attempt.error}"


def _celery(node: Node) -> Iterator[str]:
    said = [node.problem, node.error, "" if node.value is None else _inline(node.value)]
    yield f"   Celery  {' '.join(text for text in (node.state, '; '.join(text for text in said if text)) if text)}"
    told = node.traceback.splitlines()
    if len(told) > LAST_LINES:
        yield f"           … {len(told) - LAST_LINES} lines more (--json has them)"
    for line in told[-LAST_LINES:]:
        yield f"           {line}"


def _links(shown: ShownCelery) -> str:
    after = f"after {_name(shown.after)}" if shown.after else "it begins the canvas"
    group = ", in the group" if shown.group else ""
    return f"{after}{group}" + (f"; published {', '.join(map(_name, shown.published))}" if shown.published else "")


def _name(of: Named) -> str:
    return of.step or (f"group {of.id}" if of.title else of.id)


def _callbacks(run: Run) -> Iterator[str]:
    calls = list(run.callback_calls.all())
    if calls:
        yield from ("", "error callbacks")
    for place, call in enumerate(calls, 1):
        step = f" for {title_of(run, call.step)}" if call.step else ""
        times = f", called {_times(call.calls)}"
        text = f"{_moment(call.called_at)} of {call.get_level_display()}{step}: {call.get_reason_display()}{times}"
        yield from _branch([text], last=place == len(calls))


def _foot(run: Run, tree: ResultTree, differing: dict[str, str]) -> Iterator[str]:
    yield ""
    if tree.problem:
        yield f"Celery's results: {tree.problem}"
    elif differing:
        yield f"Celery and the ledger disagree on: {', '.join(title_of(run, name) for name in differing)}"
    else:
        yield "Celery's results and the ledger agree."


def _moment(at: datetime) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z")


def _took(began: datetime, ended: datetime | None) -> str:
    return f" after {duration_in_words((ended - began).total_seconds())}" if ended else ""


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _printable(line: str) -> str:
    """What others have said may hold what a terminal obeys."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


def _inline(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
