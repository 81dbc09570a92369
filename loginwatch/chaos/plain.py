"""The same five steps as Celery's documentation would have them, for comparison only: no ledger, no recovery.

Nothing is held back that the documentation offers: late acknowledgement, tasks that are delivered again when their
process is killed, retries with growing pauses for as long as it takes, publishing after the commit, effects that may
be asked for twice (they are those of accounts, unique by constraint), one Idempotency-Key and one Message-ID for each
sign-in, and a mail that is known to be sent is not sent again. docs/reliability.md has what comes of it.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import Signature, chain, group, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction

from accounts import devices, notices, security_log, verdicts
from accounts.models import Notice, SecurityEvent, SignIn
from workflows.risk import risk_api

logger = logging.getLogger(__name__)

PATIENT: dict[str, Any] = {
    "reject_on_worker_lost": True,
    "autoretry_for": (
        OperationalError,
        InterfaceError,
        SoftTimeLimitExceeded,
        notices.MailServerAway,
        risk_api.RiskApiAway,
    ),
    "max_retries": None,
    "retry_backoff": True,
    "retry_backoff_max": 60,
    "retry_jitter": True,
}


@shared_task(acks_late=True, **PATIENT)
def check_device(sign_in_id: int) -> None:
    with transaction.atomic():
        devices.recognise_device(SignIn.objects.get(pk=sign_in_id))


@shared_task(acks_late=True, **PATIENT, soft_time_limit=45, time_limit=60)
def notify_user(sign_in_id: int) -> None:
    sign_in = SignIn.objects.select_related("user").get(pk=sign_in_id)
    if not notices.is_worth_a_notice(sign_in):
        return
    notice = notices.claim_notice(sign_in, message_id=f"<{sign_in_id}.notify_user@{settings.SITE_HOST}>")
    if notice.state != Notice.State.CLAIMED:
        return
    try:
        notices.send_notice(notice)
    except notices.MailRefused as error:
        notices.give_up(notice, str(error))
    else:
        notices.mark_sent(notice)


@shared_task(acks_late=True, **PATIENT)
def save_event(sign_in_id: int) -> int:
    """How many sign-ins to the account had failed shortly before this one."""
    sign_in = SignIn.objects.get(pk=sign_in_id)
    details = {"device": sign_in.device_name, "status": sign_in.device_status, "place": sign_in.place}
    security_log.record_event(sign_in, SecurityEvent.Kind.SIGNED_IN, details)
    return security_log.count_failures_before(sign_in.user_id, sign_in.created_at)


@shared_task(acks_late=True, **PATIENT, soft_time_limit=25, time_limit=30)
def post_to_risk_api(of_the_group: list[Any], sign_in_id: int) -> dict[str, Any]:
    """The assessment. ``of_the_group``: what notify_user and save_event returned."""
    sign_in = SignIn.objects.select_related("user").get(pk=sign_in_id)
    return risk_api.assess(sign_in, of_the_group[1], key=f"{sign_in_id}.post_to_risk_api")


@shared_task(acks_late=True, **PATIENT)
def post_process(assessment: dict[str, Any], sign_in_id: int) -> None:
    with transaction.atomic():
        verdicts.act_on_assessment(SignIn.objects.select_related("device").get(pk=sign_in_id), assessment)


@shared_task(ignore_result=True)
def log_error(request: Any, error: Exception, traceback: Any) -> None:
    logger.error("task %s failed: %s", request.id, error)


def plain_canvas(sign_in_id: int) -> Signature[Any]:
    workflow = chain(
        check_device.si(sign_in_id),
        group(notify_user.si(sign_in_id), save_event.si(sign_in_id)),
        post_to_risk_api.s(sign_in_id),
        post_process.s(sign_in_id),
    )
    return workflow.on_error(log_error.s())


def on_sign_in_recorded(sign_in: SignIn, **kwargs: Any) -> None:
    """What ``delay_on_commit`` does, which tasks have and a canvas has not. robust: a sign-in outlives the broker."""
    transaction.on_commit(plain_canvas(sign_in.pk).delay, robust=True)
