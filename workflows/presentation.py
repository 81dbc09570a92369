"""What the pages say of a run and of its steps, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from accounts.models import SignIn, Verdict
from workflows.models import Run, Step

NOTICES = {
    "not_needed": "no mail needed",
    "sent": "mail sent",
    "handed_over": "the mail server is away, the mail will follow",
    "refused": "the mail server refused the mail",
}
RUNS = {
    Run.State.QUEUED: "It waits for a worker.",
    Run.State.RUNNING: "It is under way.",
    Run.State.RETRYING: "Something could not be reached; it is tried again without your doing.",
    Run.State.SUCCEEDED: "Every step is done.",
    Run.State.DEGRADED: "Every step is done, but the mail has not reached its mail server.",
    Run.State.FAILED: "A step failed for good. Nothing more happens by itself.",
    Run.State.CANCELLED: "It was stopped before its end.",
}
# The longest error that a page shows; the whole of it is in the JSON and in the admin.
ERROR_LENGTH = 200


@dataclass(frozen=True)
class ShownStep:
    """``state`` is the code that colours it, ``state_word`` what it is called; texts are "" where there is nothing."""

    name: str
    title: str
    state: str
    state_word: str
    duration: str
    attempts: str
    says: str
    error: str


@dataclass(frozen=True)
class ShownRun:
    """``steps`` by their names; ``says`` is a sentence."""

    steps: dict[str, ShownStep]
    done: int
    total: int
    says: str


def show_run(run: Run) -> ShownRun:
    """``run`` with its steps, as a page draws them."""
    now = timezone.now()
    steps = list(run.steps.all())
    return ShownRun(
        steps={step.name: show_step(step, run_is_finished=run.is_finished, now=now) for step in steps},
        done=sum(step.state == Step.State.SUCCEEDED for step in steps),
        total=len(steps),
        says=RUNS[Run.State(run.state)],
    )


def show_step(step: Step, *, run_is_finished: bool, now: datetime) -> ShownStep:
    never_reached = run_is_finished and step.state == Step.State.WAITING
    return ShownStep(
        name=step.name,
        title=step.get_name_display(),
        state=step.state,
        state_word="not reached" if never_reached else step.get_state_display(),
        duration=_duration_of(step, now),
        attempts=_attempts_of(step),
        says=says_of_result(step.name, step.result or {}),
        error=_error_of(step),
    )


def says_of_result(name: str, result: dict[str, Any]) -> str:
    """One line of what a step returned; "" where it has returned nothing."""
    if not result:
        return ""
    match name:
        case Step.Name.CHECK_DEVICE:
            status = _label(SignIn.DeviceStatus.choices, result.get("status"))
            return f"{status} device: {_label(SignIn.DeviceReason.choices, result.get('reason'))}"
        case Step.Name.NOTIFY_USER:
            return NOTICES.get(str(result.get("notice")), "")
        case Step.Name.SAVE_EVENT:
            return "written to the security log"
        case Step.Name.POST_TO_RISK_API:
            return f"{_label(Verdict.Decision.choices, result.get('decision'))}, score {result.get('score')}"
        case Step.Name.POST_PROCESS:
            return _label(Verdict.Action.choices, result.get("action"))
    return ""


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


def _duration_of(step: Step, now: datetime) -> str:
    """How long it took, all attempts and the waits between them; while it is not done, how long so far."""
    if step.started_at is None:
        return ""
    if step.finished_at:
        return duration_in_words((step.finished_at - step.started_at).total_seconds())
    return duration_in_words((now - step.started_at).total_seconds()) + " so far"


def _attempts_of(step: Step) -> str:
    if step.attempts < 2:
        return ""
    return f"attempt {step.attempts}" if step.state == Step.State.RUNNING else f"{step.attempts} attempts"


def _error_of(step: Step) -> str:
    """Why it is tried again or failed; of a step that is done, what its result says went wrong."""
    if step.state in (Step.State.RETRYING, Step.State.FAILED):
        error = step.error
    else:
        error = str((step.result or {}).get("error", ""))
    return error if len(error) <= ERROR_LENGTH else error[: ERROR_LENGTH - 1] + "…"


def _label(choices: list[tuple[str, str]], code: object) -> str:
    """What a code is called; a code of another version of this site stands for itself."""
    return dict(choices).get(str(code), str(code))
