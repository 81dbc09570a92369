"""What a step returned, and what a verdict is, in a line for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accounts.models import SignIn, Verdict
from workflows.password_steps import Name as PasswordName
from workflows.steps import Name

NOTICES = {
    "not_needed": "no mail needed",
    "sent": "mail sent",
    "sent_late": "mail sent later",
    "handed_over": "the mail server is away, the mail will follow",
    "not_made": "something is wrong with the mail, it will follow",
    "refused": "the mail server refused the mail",
    "given_up": "the mail could not be sent",
}
VERDICTS = {
    Verdict.Decision.ALLOW: "looks fine",
    Verdict.Decision.CHALLENGE: "unusual",
    Verdict.Decision.DENY: "looks wrong",
}


def says_of_result(name: str, result: dict[str, Any]) -> str:
    """One line of what a step returned; "" where it has returned nothing, or nobody has words for it."""
    if result.get("skipped"):
        return "an operator had the run go on without it"
    words = WORDS.get(name)
    return words(result) if result and words else ""


def verdict_in_words(decision: object) -> str:
    """What the pages call allow, challenge and deny."""
    return _label([(code.value, word) for code, word in VERDICTS.items()], decision)


def _device(result: dict[str, Any]) -> str:
    status = _label(SignIn.DeviceStatus.choices, result.get("status"))
    return f"{status} device: {_label(SignIn.DeviceReason.choices, result.get('reason'))}"


def _notice(result: dict[str, Any]) -> str:
    return NOTICES.get(str(result.get("notice")), "")


def _event(result: dict[str, Any]) -> str:
    return "written to the security log"


def _assessment(result: dict[str, Any]) -> str:
    return f"{verdict_in_words(result.get('decision'))}, score {result.get('score')}"


def _sessions(result: dict[str, Any]) -> str:
    sessions = result.get("sessions")
    return f"{sessions or 'no'} other session{'' if sessions == 1 else 's'} ended"


def _action(result: dict[str, Any]) -> str:
    if "policy" in result:
        return "there was no verdict to act on"
    if "action" not in result:  # of a workflow that has no verdict
        return ""
    if result["action"] == Verdict.Action.NOTHING:
        return "nothing needed to be done"
    return _label(Verdict.Action.choices, result["action"])


def _label(choices: list[tuple[str, str]], code: object) -> str:
    """What a code is called; a code of another version of this site stands for itself."""
    return dict(choices).get(str(code), str(code))


WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    Name.CHECK_DEVICE: _device,
    Name.NOTIFY_USER: _notice,
    Name.SAVE_EVENT: _event,
    PasswordName.RECORD: _event,
    Name.POST_TO_RISK_API: _assessment,
    PasswordName.END_OTHER_SESSIONS: _sessions,
    Name.POST_PROCESS: _action,
}
