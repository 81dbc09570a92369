"""What will happen by itself of a step that waits for something outside, and until when, in a sentence."""

from __future__ import annotations

from datetime import datetime

from django.utils import dateformat, timezone

from accounts import notices, verdicts
from accounts.models import Notice
from workflows import notifying
from workflows.models import Run, Step
from workflows.steps import Name, asked_until

WITHOUT_VERDICT = {
    "allow": "nothing is done about the sign-in",
    "flag": "the sign-in is flagged for the operators",
    "end_session": "its session is ended",
}


def outlook_of(step: Step, run: Run, notice: Notice | None) -> str:
    """``notice`` is the run's; "" where nothing is waited for."""
    if step.name == notifying.STEP and notice:
        return of_notice(notice)
    return _of_verdict(step) if waits_for_verdict(step, run) else ""


def of_notice(notice: Notice) -> str:
    """When a mail that was handed over is tried; of any other ""."""
    if notice.state != Notice.State.HANDED_OVER or notice.next_attempt_at is None:
        return ""
    until = notices.tried_until(notice)
    made = f"Later attempts: {notice.attempts or 'none'} so far"
    if notice.next_attempt_at > until:
        return f"{made}, and no more: they were to be made until {_day(until)}."
    due = "due since" if notice.next_attempt_at <= timezone.now() else "at"
    return f"{made}, the next {due} {clock(notice.next_attempt_at)}, the last by {_day(until)}."


def waits_for_verdict(step: Step, run: Run) -> bool:
    """The risk service was of no use so far, and is asked again."""
    was_in_vain = step.name == Name.POST_TO_RISK_API and bool(step.started_at and step.error)
    return was_in_vain and step.state in Step.OPEN and not run.is_finished


def _of_verdict(step: Step) -> str:
    until = asked_until(step)
    asked = "for the last time" if until <= timezone.now() else f"until {_day(until)}"
    then = WITHOUT_VERDICT[verdicts.policy_without_verdict()]
    return f"The risk service is asked {asked}; without a verdict then, the run fails and {then}."


def clock(at: datetime) -> str:
    return dateformat.format(timezone.localtime(at), "H:i:s T")


def _day(at: datetime) -> str:
    return dateformat.format(timezone.localtime(at), "j M, H:i T")
