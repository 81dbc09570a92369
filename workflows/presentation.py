"""What the pages say of a run and of its steps, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from accounts.models import Notice, SignIn, Verdict
from workflows import kinds
from workflows.models import Run, Step
from workflows.notifying import notices_of
from workflows.password_steps import Name as PasswordName
from workflows.steps import Name

NOTICES = {
    "not_needed": "no mail needed",
    "sent": "mail sent",
    "sent_late": "mail sent when the mail server was back",
    "handed_over": "the mail server is away, the mail will follow",
    "refused": "the mail server refused the mail",
    "given_up": "the mail could not be sent",
}
# What a notify_user that is done, but whose mail is not sent, is called instead of "succeeded".
UNSENT = {"handed_over": "mail follows", "refused": "mail refused", "given_up": "mail not sent"}
RUNS = {
    Run.State.QUEUED: "It waits for a worker.",
    Run.State.RUNNING: "It is under way.",
    Run.State.RETRYING: "Something could not be reached. It will be tried again; you need not do anything.",
    Run.State.SUCCEEDED: "Every step is done.",
    Run.State.DEGRADED: "Every step is done, but the mail could not be sent.",
    Run.State.FAILED: "A step failed for good. Nothing more happens by itself.",
    Run.State.CANCELLED: "It was stopped before its end.",
}
MAIL_FOLLOWS = "The mail will be sent when the mail server is back."
VERDICTS = {
    Verdict.Decision.ALLOW: "looks fine",
    Verdict.Decision.CHALLENGE: "unusual",
    Verdict.Decision.DENY: "looks wrong",
}
# What is told of an error to those who do not run this site.
AWAY: dict[str, str] = {
    Name.NOTIFY_USER: "The mail server did not answer; it will be tried again.",
    Name.POST_TO_RISK_API: "The risk service did not answer; it will be tried again.",
}
INTERRUPTED = "This step was interrupted; it will be tried again."
FAILED = "This step failed for good; the operators can see why."
# How often a page asks how a run stands.
POLLS = {Run.State.QUEUED: "1s", Run.State.RUNNING: "1s", Run.State.RETRYING: "5s"}
POLL_FOR_MAIL = "30s"
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
    """``steps`` by their names; ``says`` is sentences; ``poll`` is "1s", or "" where nothing more happens."""

    steps: dict[str, ShownStep]
    done: int
    total: int
    says: str
    poll: str


def show_run(run: Run, *, staff: bool) -> ShownRun:
    """``run`` with its steps, as a page draws them."""
    now = timezone.now()
    steps = list(run.steps.all())
    mail_follows = run.state == Run.State.DEGRADED and _notice_state_of(run) == Notice.State.HANDED_OVER
    return ShownRun(
        steps={step.name: show_step(step, run=run, staff=staff, now=now) for step in steps},
        done=sum(step.state in Step.DONE for step in steps),
        total=len(steps),
        says=MAIL_FOLLOWS if mail_follows else RUNS[Run.State(run.state)],
        poll=POLL_FOR_MAIL if mail_follows else POLLS.get(Run.State(run.state), ""),
    )


def show_step(step: Step, *, run: Run, staff: bool, now: datetime) -> ShownStep:
    result = _result_by_now(step, run)
    unsent = UNSENT.get(str(result.get("notice")), "")
    never_reached = run.is_finished and step.state == Step.State.WAITING
    return ShownStep(
        name=step.name,
        title=title_of(run, step.name),
        state="degraded" if unsent else step.state,
        state_word=unsent or ("not reached" if never_reached else step.get_state_display()),
        duration=_duration_of(step, now),
        attempts=_attempts_of(step),
        says=says_of_result(step.name, result),
        error=_cut(error_for(step, staff=staff)),
    )


def title_of(run: Run, step: str) -> str:
    """What its kind calls it; a step of another version of this site is called by its name."""
    try:
        return kinds.get(run.kind).step(step).title
    except LookupError:
        return step


def error_for(step: Step, *, staff: bool) -> str:
    """Why ``step`` is tried again or failed, or what went wrong before it was done; "" where there is no error.

    Staff are told what the system said, whole; everybody else a sentence.
    """
    if staff:
        return _raw_error_of(step)
    match step.state:
        case Step.State.RETRYING:
            return AWAY.get(step.name, INTERRUPTED)
        case Step.State.FAILED:
            return FAILED
    return ""


def says_of_result(name: str, result: dict[str, Any]) -> str:
    """One line of what a step returned; "" where it has returned nothing."""
    if not result or result.get("skipped"):
        return ""
    match name:
        case Name.CHECK_DEVICE:
            status = _label(SignIn.DeviceStatus.choices, result.get("status"))
            return f"{status} device: {_label(SignIn.DeviceReason.choices, result.get('reason'))}"
        case Name.NOTIFY_USER:
            return NOTICES.get(str(result.get("notice")), "")
        case Name.SAVE_EVENT | PasswordName.RECORD:
            return "written to the security log"
        case Name.POST_TO_RISK_API:
            return f"{verdict_in_words(result.get('decision'))}, score {result.get('score')}"
        case PasswordName.END_OTHER_SESSIONS:
            sessions = result.get("sessions")
            return f"{sessions or 'no'} other session{'' if sessions == 1 else 's'} ended"
        case Name.POST_PROCESS:
            return _action_in_words(result)
    return ""


def _action_in_words(result: dict[str, Any]) -> str:
    if "policy" in result:
        return "there was no verdict to act on"
    if "action" not in result:  # of a workflow that has no verdict
        return ""
    if result["action"] == Verdict.Action.NOTHING:
        return "nothing needed to be done"
    return _label(Verdict.Action.choices, result.get("action"))


def verdict_in_words(decision: object) -> str:
    """What the pages call allow, challenge and deny."""
    return _label([(code.value, word) for code, word in VERDICTS.items()], decision)


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


def _raw_error_of(step: Step) -> str:
    if step.state in (Step.State.RETRYING, Step.State.FAILED):
        return step.error
    return str((step.result or {}).get("error", ""))


def _cut(error: str) -> str:
    return error if len(error) <= ERROR_LENGTH else error[: ERROR_LENGTH - 1] + "…"


def _result_by_now(step: Step, run: Run) -> dict[str, Any]:
    """What the step returned; of a mail that it handed over, what has become of it since."""
    result: dict[str, Any] = step.result or {}
    if result.get("notice") != "handed_over":
        return result
    since = {Notice.State.SENT: "sent_late", Notice.State.GIVEN_UP: "given_up"}
    state = _notice_state_of(run)
    return result | {"notice": since.get(state, "handed_over") if state else "handed_over"}


def _notice_state_of(run: Run) -> Notice.State | None:
    notice: Notice | None = getattr(run.sign_in, "notice", None) if run.sign_in else notices_of(run).first()
    return Notice.State(notice.state) if notice else None


def _label(choices: list[tuple[str, str]], code: object) -> str:
    """What a code is called; a code of another version of this site stands for itself."""
    return dict(choices).get(str(code), str(code))
