"""The five steps of a sign-in's workflow without a ledger: what the site does, by its own functions, once."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction

from accounts import devices, notices, security_log, verdicts
from accounts.models import SecurityEvent, SignIn
from workflows.risk import risk_api


def check_device(sign_in_id: int) -> None:
    with transaction.atomic():
        devices.recognise_device(SignIn.objects.get(pk=sign_in_id))


def notify_user(sign_in_id: int) -> None:
    sign_in = SignIn.objects.select_related("user").get(pk=sign_in_id)
    if notices.is_worth_a_notice(sign_in):
        notice = notices.claim_notice(sign_in, message_id=f"<{sign_in_id}.notify_user@{settings.SITE_HOST}>")
        notices.send_notice(notice)
        notices.mark_sent(notice)


def save_event(sign_in_id: int) -> int:
    """How many sign-ins to the account had failed shortly before this one."""
    sign_in = SignIn.objects.get(pk=sign_in_id)
    details = {"device": sign_in.device_name, "status": sign_in.device_status, "place": sign_in.place}
    security_log.record_event(sign_in, SecurityEvent.Kind.SIGNED_IN, details)
    return security_log.count_failures_before(sign_in.user_id, sign_in.created_at)


def post_to_risk_api(sign_in_id: int, recent_failures: int) -> dict[str, Any]:
    """The risk service's assessment."""
    sign_in = SignIn.objects.select_related("user").get(pk=sign_in_id)
    return risk_api.assess(sign_in, recent_failures, key=f"{sign_in_id}.post_to_risk_api")


def post_process(sign_in_id: int, assessment: dict[str, Any]) -> None:
    with transaction.atomic():
        verdicts.act_on_assessment(SignIn.objects.select_related("device").get(pk=sign_in_id), assessment)


def all_steps(sign_in_id: int) -> None:
    """One after the other, as a job that is one function does them."""
    check_device(sign_in_id)
    notify_user(sign_in_id)
    assessment = post_to_risk_api(sign_in_id, save_event(sign_in_id))
    post_process(sign_in_id, assessment)
