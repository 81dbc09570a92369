"""The five steps of a sign-in's workflow, as plain functions of the run's id.

Each may be called any number of times, by anyone: the ledger lets its effect happen once. What a step has to
know it reads from the database; each returns a JSON object of ids and small facts.
"""

from __future__ import annotations

import random
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import devices, notices, security_log, verdicts
from accounts.models import Notice, SecurityEvent
from workflows import ledger, risk_api, runs
from workflows.ledger import Result, TryAgain
from workflows.models import Run, Step, task_id_of


class Name(StrEnum):
    CHECK_DEVICE = "check_device"
    NOTIFY_USER = "notify_user"
    SAVE_EVENT = "save_event"
    POST_TO_RISK_API = "post_to_risk_api"
    POST_PROCESS = "post_process"


# Longer than the hard time limit of the tasks that talk to the outside (tasks.py): who acts still holds its lease.
LEASE = timedelta(seconds=35)

# A mail server gets these seconds to come back before the mail is handed over; a verdict must not wait longer.
NOTICE_DELAYS = (5.0, 20.0)

# Seconds between posts to a risk service that is away: doubled each time, up to the longest.
FIRST_RISK_DELAY = 1.0
LONGEST_RISK_DELAY = 300.0
RISK_BUDGET = timedelta(hours=6)


def check_device(run_id: UUID) -> Result:
    """Recognise the device, or make it; returns device (id), status, reason."""
    return ledger.in_database(run_id, Name.CHECK_DEVICE, _check_device)


def notify_user(run_id: UUID) -> Result:
    """Mail the person where it is worth a notice; returns notice: not_needed, sent, handed_over or refused."""
    return ledger.outside(
        run_id, Name.NOTIFY_USER, _notify_user, without=_needless_notice, note=_note_notice, lease=LEASE
    )


def save_event(run_id: UUID) -> Result:
    """Append the sign-in to the security log; returns event (id) and recent_failures (before this sign-in)."""
    return ledger.in_database(run_id, Name.SAVE_EVENT, _save_event)


def post_to_risk_api(run_id: UUID) -> Result:
    """Have the sign-in assessed; returns the risk service's assessment.

    Raises TryAgain while the service is away, risk_api.RiskApiRefused or RiskApiAway where it is of no use.
    """
    return ledger.outside(run_id, Name.POST_TO_RISK_API, _post_to_risk_api, lease=LEASE)


def post_process(run_id: UUID) -> Result:
    """Store the verdict, act on it and finish the run; returns verdict (id), decision, action."""
    return ledger.in_database(run_id, Name.POST_PROCESS, _post_process)


def give_up_notice(run_id: UUID, why: str = "") -> None:
    """Where the notice of the run's sign-in has not gone out, it will not by itself: ``why``, or the step's error."""
    unsent = Notice.objects.filter(state__in=(Notice.State.CLAIMED, Notice.State.HANDED_OVER))
    for notice in unsent.filter(sign_in__run=run_id):
        notices.give_up(notice, why or Step.objects.get(run=run_id, name=Name.NOTIFY_USER).error)


def let_go(run_id: UUID, name: str) -> None:
    """An operator has the run go on without this step: what it began and did not end is not ended by itself."""
    if name == Name.NOTIFY_USER:
        give_up_notice(run_id, "an operator had the run go on without it")


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


def _notify_user(step: Step) -> Result:
    notice = notices.claim_notice(step.run.sign_in, message_id=f"<{step.task_id}@{settings.SITE_HOST}>")
    if step.attempts > len(NOTICE_DELAYS) + 1:
        return {"notice": "handed_over", "id": notice.pk, "error": "each attempt was cut off"}
    try:
        notices.send_notice(notice)
    except notices.MailRefused as error:
        return {"notice": "refused", "id": notice.pk, "error": str(error)}
    except notices.MailServerAway as error:
        if step.attempts <= len(NOTICE_DELAYS):
            raise TryAgain(str(error), NOTICE_DELAYS[step.attempts - 1]) from error
        return {"notice": "handed_over", "id": notice.pk, "error": str(error)}
    return {"notice": "sent", "id": notice.pk}


def _note_notice(step: Step, result: Result) -> None:
    notice = Notice.objects.get(pk=result["id"])
    match result["notice"]:
        case "sent":
            notices.mark_sent(notice)
        case "handed_over":
            notices.hand_over(notice, result["error"])
        case "refused":
            notices.give_up(notice, result["error"])


def _save_event(step: Step) -> Result:
    sign_in = step.run.sign_in
    details = {"device": sign_in.device_name, "status": sign_in.device_status, "place": sign_in.place}
    event = security_log.record_event(sign_in, SecurityEvent.Kind.SIGNED_IN, details)
    # Counted once, so that the risk service is told the same at each attempt.
    failures = security_log.count_failures_before(sign_in.user_id, sign_in.created_at)
    return {"event": event, "recent_failures": failures}


def _post_to_risk_api(step: Step) -> Result:
    if step.started_at and timezone.now() - step.started_at > RISK_BUDGET:
        raise risk_api.RiskApiAway(f"the risk service gave no assessment within {RISK_BUDGET}: {step.error}")
    failures = ledger.result_of(step.run, Name.SAVE_EVENT)["recent_failures"]
    try:
        return risk_api.assess(step.run.sign_in, failures, key=task_id_of(step.run_id, step.name))
    except risk_api.RiskApiAway as error:
        raise TryAgain(str(error), _risk_delay(step.attempts, error.retry_after)) from error


def _risk_delay(attempts: int, retry_after: float | None) -> float:
    """Seconds to wait: doubling with the attempts, half of it by chance so that runs do not return together."""
    longest = min(FIRST_RISK_DELAY * 2.0 ** min(attempts - 1, 20), LONGEST_RISK_DELAY)
    delay = longest / 2 + random.uniform(0, longest / 2)  # noqa: S311  spreads load, guards nothing
    return max(delay, min(retry_after or 0.0, LONGEST_RISK_DELAY))


def _post_process(step: Step) -> Result:
    assessment = ledger.result_of(step.run, Name.POST_TO_RISK_API)
    if assessment.get("skipped"):
        policy = verdicts.act_without_assessment(step.run.sign_in, "an operator had the run go on without it")
        runs.finish_run(step.run_id)
        return {"verdict": None, "policy": policy}
    verdict = verdicts.act_on_assessment(step.run.sign_in, assessment)
    runs.finish_run(step.run_id)
    return {"verdict": verdict.pk, "decision": verdict.decision, "action": verdict.action}
