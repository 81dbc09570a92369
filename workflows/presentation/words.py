"""What the pages say of a run and of its steps, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from accounts.models import Notice
from workflows import kinds
from workflows.about import notices_of
from workflows.models import Attempt, Run, Step
from workflows.presentation.outlook import of_notice, outlook_of
from workflows.presentation.result_words import says_of_result
from workflows.steps import Name

# What a notify_user that is done, but whose mail is not sent, is called instead of "succeeded".
UNSENT = {
    "handed_over": "mail follows",
    "not_made": "mail follows",
    "refused": "mail refused",
    "given_up": "mail not sent",
}
RUNS = {
    Run.State.QUEUED: "It waits for a worker.",
    Run.State.RUNNING: "It is under way.",
    Run.State.RETRYING: "Something could not be reached. It will be tried again; you need not do anything.",
    Run.State.SUCCEEDED: "Every step is done.",
    Run.State.DEGRADED: "Every step is done, but the mail could not be sent.",
    Run.State.FAILED: "A step failed for good. Nothing more happens by itself.",
    Run.State.CANCELLED: "An operator stopped it. Nothing more happens by itself.",
}
ALL_BUT_SKIPPED = "Every step is done, except what an operator skipped."
MAIL_FOLLOWS = "The mail could not be sent yet, and will follow."
# What is told of an error to those who do not run this site.
AWAY: dict[str, str] = {
    Name.NOTIFY_USER: "The mail server did not answer; it will be tried again.",
    Name.POST_TO_RISK_API: "The risk service did not answer; it will be tried again.",
}
INTERRUPTED = "This step was interrupted; it will be tried again."
FAILED = "This step failed for good; the operators can see why."
# The longest error that a page shows; the whole of it is in the JSON and in the admin.
ERROR_LENGTH = 200


@dataclass(frozen=True)
class ShownStep:
    """``state`` is the code that colours it, ``state_word`` what it is called; texts are "" where there is nothing.

    ``since`` is when it began, of one that is under way; ``again_at`` when it is tried again; ``outlook`` a sentence.
    """

    name: str
    title: str
    state: str
    state_word: str
    duration: str
    since: datetime | None
    again_at: datetime | None
    attempts: str
    says: str
    error: str
    outlook: str = ""


@dataclass(frozen=True)
class ShownRun:
    """``stages`` are what runs at the same time, in their order; ``says`` is sentences; ``notice`` as notice_of."""

    stages: list[list[ShownStep]]
    done: int
    total: int
    says: str
    notice: Notice | None = None


def show_run(run: Run, *, staff: bool) -> ShownRun:
    """``run`` with its steps, as a page draws them."""
    stages = stages_of(run)
    steps = [step for stage in stages for step in stage]
    notice = notice_of(run)
    return ShownRun(
        stages=[[show_step(step, run=run, notice=notice, staff=staff) for step in stage] for stage in stages],
        done=sum(step.state in Step.DONE for step in steps),
        total=len(steps),
        says=_says_of_run(run, steps, notice),
        notice=notice,
    )


def _says_of_run(run: Run, steps: list[Step], notice: Notice | None) -> str:
    if run.state == Run.State.DEGRADED and notice and notice.state == Notice.State.HANDED_OVER:
        return f"{MAIL_FOLLOWS} {of_notice(notice)}".strip()
    if run.state == Run.State.SUCCEEDED and any(step.state == Step.State.SKIPPED for step in steps):
        return ALL_BUT_SKIPPED
    return RUNS[Run.State(run.state)]


def stages_of(run: Run) -> list[list[Step]]:
    """The run's steps; those that run at the same time together."""
    steps = sorted(run.steps.all(), key=lambda step: (_stage_of(run, step), step.pk or 0))
    return [list(stage) for _, stage in groupby(steps, key=lambda step: _stage_of(run, step))]


def _stage_of(run: Run, step: Step) -> int:
    """The canvas's word, because runs that ended long ago kept none; of a canvas that is no more, the row's own."""
    try:
        return kinds.get(run.kind).step(step.name).stage
    except LookupError:
        return step.stage


def show_step(step: Step, *, run: Run, notice: Notice | None, staff: bool) -> ShownStep:
    """``notice`` is what notice_of tells of the run."""
    result = _result_by_now(step, notice)
    unsent = UNSENT.get(str(result.get("notice")), "")
    # A step that waited to be tried again when its run was cancelled, or that was killed before the run ended.
    never_ended = run.is_finished and step.state == Step.State.WAITING
    unreached = ("stopped" if step.attempts else "not reached") if never_ended else ""
    return ShownStep(
        name=step.name,
        title=title_of(run, step.name),
        state="degraded" if unsent else step.state,
        state_word=unsent or unreached or step.get_state_display(),
        duration=_duration_of(step),
        since=None if step.finished_at else step.started_at,
        again_at=step.leased_until if step.state == Step.State.RETRYING else None,
        attempts=_attempts_of(step),
        says=says_of_result(step.name, result),
        error=cut(error_for(step, notice, staff=staff)),
        outlook=outlook_of(step, run, notice),
    )


def title_of(run: Run, step: str) -> str:
    """What its kind calls it; a step of another version of this site is called by its name."""
    try:
        return kinds.get(run.kind).step(step).title
    except LookupError:
        return step


def kind_title_of(run: Run) -> str:
    try:
        return kinds.get(run.kind).title
    except LookupError:
        return run.kind


def error_for(step: Step, notice: Notice | None, *, staff: bool) -> str:
    """Why ``step`` is tried again or failed, or what went wrong before it was done; "" where there is no error.

    Of a mail that it handed over, that is what went wrong with its ``notice`` last. Staff are told what the system
    said, whole; everybody else a sentence.
    """
    if staff:
        return _raw_error_of(step, notice)
    match step.state:
        case Step.State.RETRYING:
            return AWAY.get(step.name, INTERRUPTED)
        case Step.State.FAILED:
            return FAILED
    return ""


def attempt_error_for(attempt: Attempt, step: str, *, staff: bool) -> str:
    """Why an attempt at ``step`` did not do it, told as ``error_for`` tells it."""
    if staff:
        return attempt.error
    if attempt.outcome in (Attempt.Outcome.PUT_OFF, Attempt.Outcome.HINDERED):
        return AWAY.get(step, INTERRUPTED)
    return INTERRUPTED if attempt.outcome == Attempt.Outcome.KILLED else FAILED


def result_for(step: Step, *, staff: bool) -> dict[str, Any] | None:
    """What the step returned; what the system said of errors is for staff."""
    result: dict[str, Any] | None = without_error(step.result, staff=staff)
    return result


def without_error(result: Any, *, staff: bool) -> Any:
    if staff or not isinstance(result, dict):
        return result
    return {name: value for name, value in result.items() if name != "error"}


def duration_in_words(seconds: float) -> str:
    """ "340 ms", "1.2 s", "42 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 0.9995:
        return f"{max(seconds, 0.0) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes_rest = divmod(minutes, 60)
    return f"{hours} h {minutes_rest} min" if hours else f"{minutes} min {rest} s"


def _duration_of(step: Step) -> str:
    """How long it took, all attempts and the waits between them."""
    if step.started_at is None or step.finished_at is None:
        return ""
    return duration_in_words((step.finished_at - step.started_at).total_seconds())


def _attempts_of(step: Step) -> str:
    if step.attempts < 2:
        return ""
    return f"attempt {step.attempts}" if step.state == Step.State.RUNNING else f"{step.attempts} attempts"


def _raw_error_of(step: Step, notice: Notice | None) -> str:
    if step.state in (Step.State.RETRYING, Step.State.FAILED):
        return step.error
    error = str((step.result or {}).get("error", ""))
    return notice.last_error if error and notice and _has_handed_over(step) else error


def cut(error: str, length: int = ERROR_LENGTH) -> str:
    return error if len(error) <= length else error[: length - 1] + "…"


def notice_of(run: Run) -> Notice | None:
    """The mail of a run that handed it over, or is degraded without it; None of all others."""
    if run.state != Run.State.DEGRADED and not any(map(_has_handed_over, run.steps.all())):
        return None
    return getattr(run.sign_in, "notice", None) if run.sign_in else notices_of(run).first()


def _has_handed_over(step: Step) -> bool:
    return (step.result or {}).get("notice") in ("handed_over", "not_made")


def _result_by_now(step: Step, notice: Notice | None) -> dict[str, Any]:
    """What the step returned; of a mail that it handed over, what has become of it since."""
    result: dict[str, Any] = step.result or {}
    if notice is None or not _has_handed_over(step):
        return result
    since = {Notice.State.SENT: "sent_late", Notice.State.GIVEN_UP: "given_up"}
    return result | {"notice": since.get(Notice.State(notice.state), result["notice"])}
