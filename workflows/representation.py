"""A run as JSON, for programs: `/runs/<uuid>.json`."""

from __future__ import annotations

from typing import Any

from accounts.models import SignIn
from workflows.models import Run, Step
from workflows.presentation import error_for


def run_as_dict(run: Run, *, staff: bool) -> dict[str, Any]:
    """Times are datetimes in UTC, or None for what has not happened. What the system says of errors is for staff."""
    return {
        "id": run.pk,
        "kind": run.kind,
        "state": run.state,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "published": run.published,
        "sign_in": _sign_in_as_dict(run.sign_in),
        "steps": [_step_as_dict(step, staff=staff) for step in run.steps.all()],
    }


def _sign_in_as_dict(sign_in: SignIn) -> dict[str, Any]:
    verdict = getattr(sign_in, "verdict", None)
    return {
        "id": sign_in.pk,
        "created_at": sign_in.created_at,
        "ip_address": sign_in.ip_address,
        "place": sign_in.place,
        "device": {
            "id": sign_in.device_id,
            "name": sign_in.device_name,
            "status": sign_in.device_status,
            "reason": sign_in.device_reason,
        },
        "answer": sign_in.answer or None,
        "verdict": verdict
        and {
            "score": verdict.score,
            "level": verdict.level,
            "decision": verdict.decision,
            "reasons": verdict.reasons,
            "action": verdict.action,
        },
    }


def _step_as_dict(step: Step, *, staff: bool) -> dict[str, Any]:
    return {
        "name": step.name,
        "state": step.state,
        "attempts": step.attempts,
        "started_at": step.started_at,
        "finished_at": step.finished_at,
        "result": step.result if staff else _without_error(step.result),
        "error": error_for(step, staff=staff),
    }


def _without_error(result: dict[str, Any] | None) -> dict[str, Any] | None:
    return result and {name: value for name, value in result.items() if name != "error"}
