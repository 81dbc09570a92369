"""Storing the risk service's verdict on a sign-in, and acting on it."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.utils.module_loading import import_string

from accounts import devices, security_log
from accounts.models import SecurityEvent, SignIn, Verdict

logger = logging.getLogger(__name__)


def act_on_assessment(sign_in: SignIn, assessment: dict[str, Any]) -> Verdict:
    """Store the verdict and do what it asks for, once. Call it inside a transaction.

    ``assessment`` is the risk service's answer: id, score, level, decision, reasons. Where
    LOGINWATCH_ENFORCE is "report", operators are told and nobody is signed out. Raises IntegrityError where somebody
    else does so at the same time.
    """
    if verdict := Verdict.objects.filter(sign_in=sign_in).first():
        return verdict
    verdict = Verdict.objects.create(
        sign_in=sign_in,
        assessment_id=assessment["id"],
        score=assessment["score"],
        level=assessment["level"],
        decision=assessment["decision"],
        reasons=assessment["reasons"],
        action=_action_for(assessment["decision"]),
    )
    if verdict.action != Verdict.Action.NOTHING:
        _act(sign_in, verdict)
    return verdict


def _action_for(decision: str) -> Verdict.Action:
    if decision == Verdict.Decision.ALLOW:
        return Verdict.Action.NOTHING
    if decision == Verdict.Decision.DENY and settings.LOGINWATCH_ENFORCE == "enforce":
        return Verdict.Action.SESSION_ENDED
    return Verdict.Action.FLAGGED


def _act(sign_in: SignIn, verdict: Verdict) -> None:
    details = {"verdict": verdict.decision, "score": verdict.score}
    security_log.record_event(sign_in, SecurityEvent.Kind.RISK_FLAGGED, details)
    if verdict.decision == Verdict.Decision.DENY and sign_in.device:
        # The browser keeps its cookie: the next sign-in with it shall be no less suspect.
        devices.untrust_device(sign_in.device)
    logger.warning("sign-in %s: the risk service says %s (%s)", sign_in.pk, verdict.decision, verdict.score)
    if verdict.action == Verdict.Action.SESSION_ENDED:
        end_session(sign_in)
        security_log.record_event(sign_in, SecurityEvent.Kind.SESSION_ENDED, details)


def end_session(sign_in: SignIn) -> None:
    """Sign the browser of this sign-in out; a session that is over already stays over."""
    store: type[SessionBase] = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    if sign_in.session_key:
        store().delete(sign_in.session_key)
