"""The five steps of a sign-in's workflow, as plain functions of the run's id.

Each may be called any number of times, by anyone: the ledger lets its effect happen once. What a step has to
know it reads from the database; each returns a JSON object of ids and small facts.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from uuid import UUID

from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import devices, follow_ups, notices, security_log, verdicts
from accounts.backoff import pause
from accounts.models import SecurityEvent
from workflows import attempts, breakers, ledger, notifying, runs
from workflows.ledger import NotYet, Result, TryAgain
from workflows.models import Run, Step, task_id_of
from workflows.risk import asking, draining, risk_api


class Name(StrEnum):
    CHECK_DEVICE = "check_device"
    NOTIFY_USER = "notify_user"
    SAVE_EVENT = "save_event"
    POST_TO_RISK_API = "post_to_risk_api"
    POST_PROCESS = "post_process"


# Seconds between posts of a sign-in to a risk service that errs: doubled each time, up to the longest, which is also
# the most that the service may ask for. Where it errs with all of them, the breaker keeps them off (breakers.py).
FIRST_RISK_DELAY = 1.0
LONGEST_RISK_DELAY = 300.0


def check_device(run_id: UUID) -> Result:
    """Recognise the device, or make it; returns device (id), status, reason."""
    return ledger.in_database(run_id, Name.CHECK_DEVICE, _check_device)


def notify_user(run_id: UUID) -> Result:
    """Mail the person where it is worth a notice; returns notice: not_needed, or what notifying.notify returns."""
    return notifying.notify(run_id, Name.NOTIFY_USER, lambda step: step.run.sign_in, without=_needless_notice)


def save_event(run_id: UUID) -> Result:
    """Append the sign-in to the security log; returns event (id) and recent_failures (before this sign-in)."""
    return ledger.in_database(run_id, Name.SAVE_EVENT, _save_event)


def post_to_risk_api(run_id: UUID) -> Result:
    """Have the sign-in assessed; returns the risk service's assessment.

    Raises TryAgain while the service is away, risk_api.RiskApiRefused or RiskApiAway where it is of no use.
    """
    call = breakers.Call(risk_api.host())
    return ledger.outside(
        run_id,
        Name.POST_TO_RISK_API,
        partial(_post_to_risk_api, call),
        without=partial(_begin_call, call),
        lease=ledger.LEASE,
    )


def post_process(run_id: UUID) -> Result:
    """Store the verdict, act on it and finish the run; returns verdict (id), decision, action."""
    return ledger.in_database(run_id, Name.POST_PROCESS, _post_process)


def recent_failures(run: Run) -> int:
    """How many sign-ins failed before the one of this run, as the risk service was told; raises Step.DoesNotExist."""
    return int(ledger.result_of(run, Name.SAVE_EVENT)["recent_failures"])


def asked_until(step: Step) -> datetime:
    """When the risk service is asked for the last time, at the step that asks it."""
    return (step.started_at or timezone.now()) + timedelta(seconds=settings.RISK_API_BUDGET)


def do_without_verdict(run_id: UUID) -> None:
    """The risk service gave no assessment: do what is to be done then. Should it give one later, that counts.

    Of a run that was cancelled meanwhile nothing more is done.
    """
    run = Run.objects.select_related("sign_in__user").get(pk=run_id)
    if run.state == Run.State.CANCELLED:
        return
    error = Step.objects.get(run=run_id, name=Name.POST_TO_RISK_API).error
    with transaction.atomic():
        verdicts.act_without_assessment(run.sign_in, error)


def _check_device(step: Step) -> Result:
    sign_in = devices.recognise_device(step.run.sign_in)
    return {"device": sign_in.device_id, "status": sign_in.device_status, "reason": sign_in.device_reason}


def _needless_notice(step: Step) -> Result | None:
    return None if notices.is_worth_a_notice(step.run.sign_in) else {"notice": "not_needed"}


def _save_event(step: Step) -> Result:
    sign_in = step.run.sign_in
    details = {"device": sign_in.device_name, "status": sign_in.device_status, "place": sign_in.place}
    event = security_log.record_event(sign_in, SecurityEvent.Kind.SIGNED_IN, details)
    # Counted once, so that the risk service is told the same at each attempt.
    failures = security_log.count_failures_before(sign_in.user_id, sign_in.created_at)
    return {"event": event, "recent_failures": failures}


def _begin_call(call: breakers.Call, step: Step) -> None:
    """Raises NotYet while the service is left alone, and RiskApiAway where it was away for too long.

    Who comes back only when that time is over, as after a night without workers, asks once more: unless the service is
    known to be away, and it is not known while somebody probes.
    """
    try:
        call.begin()
    except breakers.Open as left_alone:
        if _left_of_budget(step) < 0 and not left_alone.breaker.probing:
            raise _too_late(step.error) from left_alone
        delay = left_alone.delay + random.uniform(0, draining.seconds())  # noqa: S311  spreads load
        raise NotYet(str(left_alone), _within_budget(step, delay)) from left_alone


def _post_to_risk_api(call: breakers.Call, step: Step) -> Result:
    failures = recent_failures(step.run)
    try:
        return asking.ask(call, step.run.sign_in, failures, key=task_id_of(step.run_id, step.name))
    except risk_api.RiskApiAway as error:
        if _left_of_budget(step) < 0:
            raise _too_late(str(error)) from error
        delay = _risk_delay(attempts.number_anew(step), error.retry_after)
        raise TryAgain(str(error), _within_budget(step, delay)) from error
    except SoftTimeLimitExceeded as limit:
        if _left_of_budget(step) < 0:
            raise _too_late("no answer within the time limit") from limit
        raise


def _too_late(last: str) -> risk_api.RiskApiAway:
    budget = timedelta(seconds=settings.RISK_API_BUDGET)
    return risk_api.RiskApiAway(f"the risk service gave no assessment within {budget}: {last}")


def _risk_delay(attempt: int, retry_after: float | None) -> float:
    """Seconds to wait: what the service asked for, and then a while by chance, or where it asked for less, a pause."""
    backoff = pause(attempt, first=FIRST_RISK_DELAY, longest=LONGEST_RISK_DELAY)
    asked = min(retry_after or 0.0, LONGEST_RISK_DELAY)
    return max(backoff, asked + random.uniform(0, min(backoff, asked)))  # noqa: S311  spreads load


def _within_budget(step: Step, delay: float) -> float:
    """Not beyond the moment after which the service is asked for the last time; then while it is probed, again soon."""
    return min(delay, max(_left_of_budget(step), breakers.SOON) + 0.1)


def _left_of_budget(step: Step) -> float:
    """Seconds until the service is asked for the last time."""
    return (asked_until(step) - timezone.now()).total_seconds()


def _post_process(step: Step) -> Result:
    assessment = ledger.result_of(step.run, Name.POST_TO_RISK_API)
    if assessment.get("skipped"):
        policy = verdicts.act_without_assessment(step.run.sign_in, "an operator had the run go on without it")
        runs.finish_run(step.run)
        return {"verdict": None, "policy": policy}
    verdict = verdicts.act_on_assessment(step.run.sign_in, assessment)
    runs.finish_run(step.run)
    if verdict.is_high_risk:
        # After the run's end: a mail that the verdict asks for is not one that the run could not send.
        follow_ups.ask_about(step.run.sign_in, message_id=f"<{step.task_id}@{settings.SITE_HOST}>")
    return {"verdict": verdict.pk, "decision": verdict.decision, "action": verdict.action}
