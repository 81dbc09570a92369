"""A run as JSON, for programs: `/runs/<uuid>.json` and `manage.py run <uuid> --json`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from accounts import notices
from accounts.models import Notice, SignIn
from workflows.models import Attempt, CallbackCall, Run, Step
from workflows.presentation.celery_results import completed, group_of, groups_of, is_ready
from workflows.presentation.outlook import outlook_of, waits_for_verdict
from workflows.presentation.words import (
    attempt_error_for,
    error_for,
    notice_of,
    result_for,
    stages_of,
    without_error,
)
from workflows.results.tree import Node, ResultTree, disagreements
from workflows.steps import asked_until


def run_as_dict(run: Run, tree: ResultTree, attempts: Iterable[Attempt], *, staff: bool) -> dict[str, Any]:
    """``tree`` is Celery's results of the run, ``attempts`` are those that did not do their step.

    Times are datetimes in UTC, or None for what has not happened. What the system says of errors is for staff.
    """
    failed = list(attempts)
    stages = stages_of(run)
    differing = disagreements(stages, tree)
    notice = notice_of(run)
    return {
        "id": run.pk,
        "kind": run.kind,
        "state": run.state,
        "user": run.owner.pk,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "published": run.published,
        "published_at": run.published_at,
        "healed": run.healed,
        "resumed": run.resumed,
        "sign_in": _sign_in_as_dict(run.sign_in) if run.sign_in else None,
        "facts": run.facts,
        "notice": _notice_as_dict(notice, staff=staff) if notice else None,
        "steps": [
            {
                **_step_as_dict(step, number, notice, staff=staff),
                "outlook": outlook_of(step, run, notice),
                "asked_until": asked_until(step) if waits_for_verdict(step, run) else None,
                "failed_attempts": [
                    _attempt_as_dict(attempt, step, staff=staff) for attempt in failed if attempt.step_id == step.pk
                ],
                "celery": _node_as_dict(tree.of(step), tree, staff=staff),
                "disagreement": differing.get(step.name, ""),
            }
            for number, stage in enumerate(stages)
            for step in stage
        ],
        "callbacks": [_call_as_dict(call) for call in run.callback_calls.all()],
        "celery_problem": tree.problem,
        "celery_groups": [_group_as_dict(group) for group in groups_of(tree)],
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


def _notice_as_dict(notice: Notice, *, staff: bool) -> dict[str, Any]:
    """``attempts`` are those since it was handed over."""
    return {
        "state": notice.state,
        "attempts": notice.attempts,
        "next_attempt_at": notice.next_attempt_at,
        "tried_until": notices.tried_until(notice),
        "last_error": notice.last_error if staff else "",
    }


def _step_as_dict(step: Step, stage: int, notice: Notice | None, *, staff: bool) -> dict[str, Any]:
    return {
        "name": step.name,
        "stage": stage,
        "queue": step.queue,
        "state": step.state,
        "attempts": step.attempts,
        "started_at": step.started_at,
        "finished_at": step.finished_at,
        "again_at": step.leased_until if step.state == Step.State.RETRYING else None,
        "result": result_for(step, staff=staff),
        "error": error_for(step, notice, staff=staff),
    }


def _attempt_as_dict(attempt: Attempt, step: Step, *, staff: bool) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "outcome": attempt.outcome,
        "began_at": attempt.began_at,
        "ended_at": attempt.ended_at,
        "next_at": attempt.next_at,
        "error": attempt_error_for(attempt, step.name, staff=staff),
    }


def _node_as_dict(node: Node | None, tree: ResultTree, *, staff: bool) -> dict[str, Any] | None:
    """``parent`` is the id of what came before: a task or, of who follows one, a group. ``group`` is that it is in."""
    if node is None:
        return None
    group = group_of(node, tree)
    return {
        "id": node.id,
        "state": node.state,
        "value": without_error(node.value, staff=staff),
        "problem": node.problem,
        "error": node.error if staff else "",
        "traceback": node.traceback if staff else "",
        "parent": node.parent.id if node.parent else None,
        "children": list(node.children),
        "group": group.id if group else None,
    }


def _group_as_dict(group: Node) -> dict[str, Any]:
    """As ``GroupResult`` has it: ``completed`` counts those that have succeeded, ``ready`` is that all have ended."""
    return {
        "id": group.id,
        "state": group.state,
        "ready": is_ready(group),
        "completed": completed(group),
        "members": [member.id for member in group.members],
        "parent": group.parent.id if group.parent else None,
    }


def _call_as_dict(call: CallbackCall) -> dict[str, Any]:
    return {
        "level": call.level,
        "step": call.step,
        "reason": call.reason,
        "called_at": call.called_at,
        "calls": call.calls,
        "resumed": call.resumed,
    }
