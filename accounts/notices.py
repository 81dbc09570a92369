"""The mail that tells a person of a sign-in from a device not known: when, with what, from where, what to do."""

from __future__ import annotations

import smtplib
import time
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db.models import F
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts.database import insist
from accounts.models import Notice, SignIn

State = Notice.State


# A notice that was handed over is tried until it is this old; later it would alarm more than help.
DELIVER_WITHIN = timedelta(hours=24)
# Longer than a round of deliveries may take (workflows/periodic.py): it is also the claim on a notice.
FIRST_DELAY = timedelta(minutes=3)
LONGEST_DELAY = timedelta(hours=1)
# Seconds in which a round of deliveries begins with another mail: it shall not be cut off while it notes one as sent.
LONGEST_ROUND = 50.0


class MailServerAway(Exception):
    """The mail was not taken, and trying again may help."""


class MailPutOff(MailServerAway):
    """The mail server is there and does not take this mail now; it may take others."""


class MailRefused(Exception):
    """The mail server will not take this mail; trying again is of no use."""


def is_worth_a_notice(sign_in: SignIn) -> bool:
    """A new device is, except the first of an account: its owner has just signed up with it."""
    return (
        sign_in.device_status == SignIn.DeviceStatus.NEW and sign_in.device_reason != SignIn.DeviceReason.FIRST_DEVICE
    )


def claim_notice(sign_in: SignIn, message_id: str) -> Notice:
    """The one notice of this sign-in, made if it is not there yet; one that was given up begins anew."""
    notice, _ = Notice.objects.get_or_create(sign_in=sign_in, defaults={"message_id": message_id})
    if notice.state == State.GIVEN_UP:
        Notice.objects.filter(pk=notice.pk, state=State.GIVEN_UP).update(state=State.CLAIMED)
    return notice


def send_notice(notice: Notice) -> None:
    """Send the mail. Every attempt carries the same Message-ID, by which mail programs see one mail.

    Raises MailServerAway or MailRefused.
    """
    sign_in = notice.sign_in
    context = notice_context(sign_in)
    mail = EmailMultiAlternatives(
        # Of one line, whatever is in it: a newline would begin another header.
        subject=" ".join(render_to_string("accounts/notice_subject.txt", context).split()),
        body=render_to_string("accounts/notice.txt", context),
        to=[sign_in.user.email],
        # RFC 3834: no out-of-office reply is wanted.
        headers={"Message-ID": notice.message_id, "Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(render_to_string("accounts/notice.html", context), "text/html")
    if not mail.recipients():
        raise MailRefused("The account has no e-mail address.")
    try:
        with get_connection() as mail.connection:  # of its own accord, send() leaves one open that failed to sign in
            mail.send()
    except (OSError, ValueError) as error:  # an SMTPException is an OSError
        raise _kind_of(error)(str(error)) from error


def _kind_of(error: OSError | ValueError) -> type[Exception]:
    if not _may_pass(error):
        return MailRefused
    of_this_mail = (smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)
    return MailPutOff if isinstance(error, of_this_mail) else MailServerAway


def _may_pass(error: OSError | ValueError) -> bool:
    """Whether trying again may help. RFC 5321, 4.2.1: a reply of 4yz is passing, one of 5yz final."""
    match error:
        case smtplib.SMTPConnectError() | smtplib.SMTPHeloError() | smtplib.SMTPAuthenticationError():
            return True  # whatever the code: it is this site that was turned away, not the mail
        case smtplib.SMTPResponseException():
            return error.smtp_code < 500
        case smtplib.SMTPRecipientsRefused():
            return all(code < 500 for code, _ in error.recipients.values())
    return isinstance(error, OSError)  # a ValueError is in the mail itself


def notice_context(sign_in: SignIn) -> dict[str, Any]:
    return {
        "sign_in": sign_in,
        "user": sign_in.user,
        "site_host": urlsplit(settings.SITE_URL).netloc,
        "security_url": settings.SITE_URL + reverse(settings.LOGIN_REDIRECT_URL),
        "password_url": settings.SITE_URL + reverse("account_change_password"),
        "reset_url": settings.SITE_URL + reverse("account_reset_password"),
        "addresses_url": settings.SITE_URL + reverse("account_email"),
    }


def mark_sent(notice: Notice) -> None:
    Notice.objects.filter(pk=notice.pk).update(state=State.SENT, sent_at=timezone.now(), next_attempt_at=None)


def hand_over(notice: Notice, error: str) -> None:
    """Leave the mail to ``deliver_due_notices``: the mail server is away for longer than a sign-in's run waits."""
    Notice.objects.filter(pk=notice.pk, state=State.CLAIMED).update(
        state=State.HANDED_OVER, last_error=error, next_attempt_at=timezone.now() + FIRST_DELAY
    )


def give_up(notice: Notice, error: str) -> None:
    Notice.objects.filter(pk=notice.pk).update(state=State.GIVEN_UP, last_error=error, next_attempt_at=None)


def deliver_due_notices(most: int = 50) -> list[Notice]:
    """Try the mails that were handed over and are due, until the mail server is away; returns those that went out."""
    due = Notice.objects.filter(state=State.HANDED_OVER, next_attempt_at__lte=timezone.now())
    delivered = []
    until = time.monotonic() + LONGEST_ROUND
    for notice in due.select_related("sign_in__user").order_by("next_attempt_at")[:most]:
        if time.monotonic() > until:
            break
        if not _claim_attempt(notice):
            continue
        try:
            if _deliver(notice):
                delivered.append(notice)
        except MailPutOff:
            continue
        except MailServerAway:
            break
    return delivered


def _claim_attempt(notice: Notice) -> bool:
    """Push the next attempt back, which also keeps others off this one; False where another was faster."""
    delay = min(FIRST_DELAY * 2 ** min(notice.attempts, 10), LONGEST_DELAY)
    claimed = Notice.objects.filter(
        pk=notice.pk, state=State.HANDED_OVER, next_attempt_at=notice.next_attempt_at
    ).update(attempts=F("attempts") + 1, next_attempt_at=timezone.now() + delay)
    return claimed == 1


def _deliver(notice: Notice) -> bool:
    try:
        send_notice(notice)
    except MailRefused as error:
        give_up(notice, str(error))
        return False
    except MailServerAway as error:
        if timezone.now() - notice.created_at > DELIVER_WITHIN:
            give_up(notice, str(error))
        else:
            Notice.objects.filter(pk=notice.pk).update(last_error=str(error))
        raise
    insist(partial(mark_sent, notice))
    return True
