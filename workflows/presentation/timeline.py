"""When each step of a run waited and when it ran, attempt by attempt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from workflows.models import Attempt, Run, Step
from workflows.presentation.words import duration_in_words, stages_of, title_of

# The bars are drawn on a line of so many units, and none is thinner than it can be seen.
LINE = 1000
THINNEST = 5
Outcome = Attempt.Outcome
OUTCOMES = {
    Outcome.PUT_OFF: ("degraded", "put off"),
    Outcome.HINDERED: ("degraded", "put off"),
    Outcome.FAILED: ("failed", "failed"),
    Outcome.KILLED: ("failed", "killed"),
}


@dataclass(frozen=True)
class Span:
    """``code`` colours it; ``is_open`` where it lasts still, ``ended`` then being the moment of the drawing."""

    code: str
    words: str
    began: datetime
    ended: datetime
    is_open: bool = False
    attempt: int = 0

    @property
    def seconds(self) -> float:
        return (self.ended - self.began).total_seconds()


@dataclass(frozen=True)
class Bar:
    """``after`` is how long after the run's beginning it begins."""

    span: Span
    x: int
    width: int
    after: str
    takes: str


@dataclass(frozen=True)
class Line:
    name: str
    title: str
    bars: tuple[Bar, ...]
    says: str


@dataclass(frozen=True)
class Timeline:
    """``lines`` in the steps' order; ``length`` is the time that they cover, in words."""

    lines: tuple[Line, ...]
    length: str


def draw(run: Run, attempts: Iterable[Attempt], now: datetime) -> Timeline:
    """``attempts`` are all that did not do their step, the first ones first."""
    failed: dict[int, list[Attempt]] = {}
    for attempt in attempts:
        failed.setdefault(attempt.step_id, []).append(attempt)
    spans: dict[Step, list[Span]] = {}
    ready_at: datetime | None = run.created_at
    for number, stage in enumerate(stages_of(run)):
        for step in stage:
            spans[step] = _spans_of(step, run, failed.get(step.pk, []), ready_at, now, is_first=not number)
        ended = [step.finished_at for step in stage if step.state in Step.DONE and step.finished_at]
        ready_at = max(ended) if len(ended) == len(stage) else None
    idle = sorted(
        (span for step in spans for span in _idle(step, run, failed.get(step.pk, []), now)),
        key=lambda span: span.began,
    )
    return _drawn(run, {step: [part for span in each for part in _parted(span, idle)] for step, each in spans.items()})


def _spans_of(
    step: Step, run: Run, failed: Sequence[Attempt], ready_at: datetime | None, now: datetime, *, is_first: bool
) -> list[Span]:
    tried = [_tried(attempt) for attempt in failed] + _last_attempt(step, failed, now)
    is_open = not run.is_finished and step.state in (Step.State.WAITING, Step.State.RETRYING)
    spans: list[Span] = []
    if ready_at and (tried or is_open):
        wait = Span("waiting", "waiting for a worker", ready_at, tried[0].began if tried else now, not tried)
        spans += _from_the_start(run, wait) if is_first else [wait]
    for span, following in pairwise(tried):
        spans += [span, _pause(span.code == "degraded", span.ended, following.began)]
    if tried:
        spans.append(tried[-1])
        if is_open:
            spans.append(_pause(step.state == Step.State.RETRYING, tried[-1].ended, now, is_open=True))
    return [span for span in spans if span.ended >= span.began]


def _tried(attempt: Attempt) -> Span:
    code, words = OUTCOMES[Outcome(attempt.outcome)]
    words = f"attempt {attempt.number}, {words}"
    return Span(code, words, attempt.began_at, attempt.ended_at, attempt=attempt.number)


def _last_attempt(step: Step, failed: Sequence[Attempt], now: datetime) -> list[Span]:
    """The one that the step's own row tells of: it did the step, or is at it."""
    if step.attempted_at is None or any(attempt.number == step.attempts for attempt in failed):
        return []
    if step.state == Step.State.RUNNING:
        words = f"attempt {step.attempts}, running"
        return [Span("running", words, step.attempted_at, now, is_open=True, attempt=step.attempts)]
    if step.finished_at is None:
        return []
    code, word = ("succeeded", "done") if step.state in Step.DONE else ("failed", "failed")
    return [Span(code, f"attempt {step.attempts}, {word}", step.attempted_at, step.finished_at, attempt=step.attempts)]


def _from_the_start(run: Run, wait: Span) -> list[Span]:
    """First the canvas is handed to the broker, then it waits in a queue. Of several times only the last is known."""
    if run.published != 1 or run.published_at is None or run.published_at > wait.ended:
        return [replace(wait, code="queued", words="queued")]
    return [
        Span("queued", "queued", wait.began, run.published_at),
        replace(wait, began=run.published_at),
    ]


def _pause(is_put_off: bool, began: datetime, ended: datetime, *, is_open: bool = False) -> Span:
    if is_put_off:
        return Span("retrying", "waiting to be tried again", began, ended, is_open)
    return Span("waiting", "waiting for a worker", began, ended, is_open)


def _idle(step: Step, run: Run, failed: Sequence[Attempt], now: datetime) -> Iterator[Span]:
    """When the run was failed for this step's sake: from the attempt that failed for good until the run was resumed.

    When that was is known of the last time alone, by when the broker took the run again, unless it took it for other
    reasons too. Else it was at some time before the step's next attempt.
    """
    # A step that was begun anew after its process had been killed had failed by that.
    before = [attempt for attempt in failed if step.started_at is None or attempt.began_at < step.started_at]
    for attempt in failed:
        if attempt.outcome == Outcome.FAILED or (attempt.outcome == Outcome.KILLED and attempt in before[-1:]):
            later = [other.began_at for other in failed if other.number > attempt.number]
            if step.attempted_at and step.attempts > attempt.number:
                later.append(step.attempted_at)
            began, ended = attempt.ended_at, min(later, default=step.finished_at or now)
            took_it_once_a_time = run.published == 1 + run.resumed
            if took_it_once_a_time and run.published_at and began < run.published_at <= ended:
                yield Span("idle", "failed, until it was resumed", began, run.published_at)
            else:
                yield Span("idle", "failed, then resumed", began, ended)


def _parted(span: Span, idle: Sequence[Span]) -> list[Span]:
    """A wait without the times, the first ones first, in which the run was failed; these are told in their places."""
    parts = []
    for other in idle:
        if not span.attempt and other.began < span.ended and span.began < other.ended:
            ended = min(other.ended, span.ended)
            parts.append(replace(span, ended=other.began, is_open=False))
            is_open = span.is_open and ended == span.ended
            parts.append(replace(other, began=max(other.began, span.began), ended=ended, is_open=is_open))
            span = replace(span, began=ended)
    return [part for part in (*parts, span) if part.ended > part.began] if parts else [span]


def _drawn(run: Run, spans: dict[Step, list[Span]]) -> Timeline:
    began = run.created_at
    ended = max((span.ended for each in spans.values() for span in each), default=began)
    length = max(ended - began, timedelta(milliseconds=1))
    lines = [
        Line(step.name, title_of(run, step.name), tuple(_bar(span, began, length) for span in each), _says(each))
        for step, each in spans.items()
    ]
    return Timeline(tuple(lines), duration_in_words(length.total_seconds()))


def _bar(span: Span, began: datetime, length: timedelta) -> Bar:
    x = round(LINE * ((span.began - began) / length))
    width = max(round(LINE * ((span.ended - span.began) / length)), THINNEST)
    takes = duration_in_words(span.seconds)
    return Bar(
        span,
        x=max(min(x, LINE - width), 0),
        width=min(width, LINE),
        after=duration_in_words((span.began - began).total_seconds()),
        takes=f"{takes} so far" if span.is_open else takes,
    )


def _says(spans: Sequence[Span]) -> str:
    """How long it waited and ran in all; "" where its turn has not come."""
    if not spans:
        return ""
    parts = []
    for word, of_it in (
        ("waited", [span for span in spans if not span.attempt and span.code not in ("retrying", "idle")]),
        ("ran", [span for span in spans if span.attempt]),
        ("waited to be tried again", [span for span in spans if span.code == "retrying"]),
        ("was failed", [span for span in spans if span.code == "idle"]),
    ):
        if of_it:
            parts.append(f"{word} {duration_in_words(sum(span.seconds for span in of_it))}")
    return ", ".join(parts)
