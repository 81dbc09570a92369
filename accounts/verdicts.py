"""Storing the risk service's verdict on a sign-in, and acting on it."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import devices, locking, security_log, sessions, sql
from accounts.models import SecurityEvent, SignIn, Verdict

logger = logging.getLogger(__name__)

SAID = ("assessment_id", "score", "level", "decision", "reasons")
VERDICT = (*SAID, "action", "created_at")


def act_on_assessment(sign_in: SignIn, assessment: dict[str, Any]) -> Verdict:
    """Store the verdict and do what it asks for, once. Call it inside a transaction.

    ``assessment`` is the risk service's answer: id, score, level, decision, reasons. Where
    LOGINWATCH_ENFORCE is "report", operators are told and nobody is signed out.
    """
    verdict = Verdict(sign_in=sign_in, **_said(assessment), action=_action_for(assessment["decision"]))
    if not _store(verdict):
        return Verdict.objects.get(sign_in=sign_in)
    if verdict.action != Verdict.Action.NOTHING:
        _act(sign_in, verdict)
    return verdict


@transaction.atomic
def replace(sign_in: SignIn, assessment: dict[str, Any]) -> bool:
    """Put what the risk service says by now in the place of the verdict, which is kept among the earlier ones.

    Where it is against a sign-in about which nothing was done yet, that is flagged for the operators. No more is done:
    no session ends, no device loses its trust, and no mail goes out. The same assessment again changes nothing. False
    where the sign-in has no verdict any longer.
    """
    # Locked in the order of retention.
    list(SignIn.objects.select_for_update(of=("self",), no_key=True).filter(pk=sign_in.pk).values_list("pk"))
    verdict = Verdict.objects.filter(sign_in=sign_in).first()
    if verdict is None:
        return False
    earlier = verdict.earlier or []
    if assessment["id"] in {verdict.assessment_id, *(one["assessment_id"] for one in earlier)}:
        return True
    before = {name: getattr(verdict, name) for name in SAID} | {"created_at": verdict.created_at.isoformat()}
    is_news = verdict.action == Verdict.Action.NOTHING and assessment["decision"] != Verdict.Decision.ALLOW
    Verdict.objects.filter(pk=verdict.pk).update(
        **_said(assessment),
        action=Verdict.Action.FLAGGED if is_news else verdict.action,
        created_at=timezone.now(),
        earlier=[*earlier, before],
    )
    if is_news:
        _flag(sign_in, {"verdict": assessment["decision"], "score": assessment["score"]})
    return True


def act_without_assessment(sign_in: SignIn, error: str) -> str:
    """The risk service gave none: note it in the security log and do what LOGINWATCH_NO_VERDICT says, once.

    Returns what that is: "allow", "flag" or "end_session". Call it inside a transaction.
    """
    policy = policy_without_verdict()
    details = {"policy": policy, "error": error}
    security_log.record_event(sign_in, SecurityEvent.Kind.RISK_UNAVAILABLE, details)
    if policy != "allow":
        security_log.record_event(sign_in, SecurityEvent.Kind.RISK_FLAGGED, details)
        logger.warning("sign-in %s: there is no verdict: %s", sign_in.pk, error)
    if policy == "end_session":
        sessions.end_session(sign_in)
        security_log.record_event(sign_in, SecurityEvent.Kind.SESSION_ENDED, details)
    return policy


def policy_without_verdict() -> str:
    """What LOGINWATCH_NO_VERDICT comes to: "allow", "flag" or "end_session"."""
    policy: str = settings.LOGINWATCH_NO_VERDICT
    return "flag" if policy == "end_session" and settings.LOGINWATCH_ENFORCE != "enforce" else policy


def _said(assessment: dict[str, Any]) -> dict[str, Any]:
    """As a verdict has it."""
    return {"assessment_id": assessment["id"], **{name: assessment[name] for name in SAID[1:]}}


def _store(verdict: Verdict) -> bool:
    """Give the verdict its row; False where its sign-in has one already."""
    row = sql.fetch(
        "INSERT INTO accounts_verdict (sign_in_id, assessment_id, score, level, decision, reasons, action, created_at) "
        "VALUES (%(sign_in)s, %(assessment_id)s, %(score)s, %(level)s, %(decision)s, %(reasons)s, %(action)s, "
        "%(created_at)s) ON CONFLICT (sign_in_id) DO NOTHING RETURNING id",
        Verdict,
        sign_in=verdict.sign_in_id,
        **{name: getattr(verdict, name) for name in VERDICT},
    )
    if row:
        verdict.pk = row[0]
        verdict._state.adding = False
    return row is not None


def _action_for(decision: str) -> Verdict.Action:
    if decision == Verdict.Decision.ALLOW:
        return Verdict.Action.NOTHING
    if decision == Verdict.Decision.DENY and settings.LOGINWATCH_ENFORCE == "enforce":
        return Verdict.Action.SESSION_ENDED
    return Verdict.Action.FLAGGED


def _act(sign_in: SignIn, verdict: Verdict) -> None:
    details = {"verdict": verdict.decision, "score": verdict.score}
    _flag(sign_in, details)
    if verdict.decision == Verdict.Decision.DENY and sign_in.device:
        locking.lock_person(sign_in.user_id)  # before the device, as everybody does
        # The browser keeps its cookie: the next sign-in with it shall be no less suspect.
        devices.untrust_device(sign_in.device)
    if verdict.action == Verdict.Action.SESSION_ENDED:
        sessions.end_session(sign_in)
        security_log.record_event(sign_in, SecurityEvent.Kind.SESSION_ENDED, details)


def _flag(sign_in: SignIn, details: dict[str, Any]) -> None:
    security_log.record_event(sign_in, SecurityEvent.Kind.RISK_FLAGGED, details)
    logger.warning("sign-in %s: the risk service says %s (%s)", sign_in.pk, details["verdict"], details["score"])
