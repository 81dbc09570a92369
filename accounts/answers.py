"""A person answers for a sign-in: "it was me", or "it was not me", which throws out whoever it was."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import devices, security_log, sessions
from accounts.follow_ups import FOLLOW_UP_AFTER
from accounts.models import Notice, SecurityEvent, SignIn

logger = logging.getLogger(__name__)

Answer = SignIn.Answer

# Whose session may answer for others, unless the risk service has its person asked about it.
BEYOND_QUESTION = (SignIn.DeviceReason.COOKIE, SignIn.DeviceReason.FIRST_DEVICE)
# What an answer may follow. "It was not me" stands: whoever was thrown out by it shall not take it back.
BEFORE = {Answer.MINE: ("",), Answer.NOT_MINE: ("", Answer.MINE)}


def may_vouch(sign_in: SignIn, *, by: SignIn | None) -> bool:
    """Whether the session that began with the same person's sign-in ``by`` may say "it was me".

    Whoever it was would say so, and nobody would ask any further. So that takes another device, which has kept its
    trust and was there so long before that its owner would have been told of it, and asked again; and a session that
    is not in question itself. Or a link from the mail.
    """
    return (
        by is not None
        and by.device is not None
        and is_beyond_question(by)
        and by.device.first_seen_at <= sign_in.created_at - FOLLOW_UP_AFTER
        and sign_in.device_id not in (None, by.device_id)
    )


def is_beyond_question(sign_in: SignIn) -> bool:
    """Whether its device has kept its trust, and nobody was asked about it or the answer was "it was me"."""
    return sign_in.device is not None and sign_in.device.untrusted_at is None and not _is_in_question(sign_in)


@transaction.atomic
def answer(sign_in: SignIn, said: SignIn.Answer, **how: Any) -> bool:
    """Store what the person says, and do what follows; False where that was said before, or cannot be said any more.

    ``how`` it was said goes into the security log. Of the evidence nothing is taken back by "it was me"; but a device
    that was disowned before is its owner's again.
    """
    # It locks the person's row first, as the workflow does; of one that waits for a worker the device is not known yet.
    sign_in = devices.recognise_device(sign_in)
    sayable = SignIn.objects.filter(pk=sign_in.pk, emptied_at=None, answer__in=BEFORE[said])
    if not sayable.update(answer=said, answered_at=timezone.now()):
        return False
    security_log.record_event(sign_in, SecurityEvent.Kind.SIGN_IN_ANSWERED, {"answer": said, **how})
    if said == Answer.MINE:
        devices.own_device(sign_in)
    else:
        _throw_out(sign_in)
        # A line of its own, also where the person had said something else before.
        security_log.record_event(sign_in, SecurityEvent.Kind.SESSIONS_ENDED, {"because": said, **how})
        logger.warning("sign-in %s: its owner says that it was not them", sign_in.pk)
    Notice.objects.filter(sign_in=sign_in, followed_up_at=None).update(follow_up_at=None)
    return True


def _is_in_question(sign_in: SignIn) -> bool:
    """Whether it may be anybody's: its person was told of it and has not answered, or it was taken for a known device
    without the cookie of one.
    """
    if sign_in.answer:
        return sign_in.answer != Answer.MINE
    return sign_in.device_reason not in BEYOND_QUESTION or Notice.objects.filter(sign_in=sign_in).exists()


def _throw_out(sign_in: SignIn) -> None:
    """End the sessions of this sign-in and of all others from its device, which is disowned.

    Device, sessions, and then the notice: a verdict that comes at the same moment locks them in this order, too.
    """
    if sign_in.device:
        devices.disown_device(sign_in.device)
    sessions.end_session(sign_in)
    if sign_in.device:
        sessions.end_sessions_of_device(sign_in.device)
