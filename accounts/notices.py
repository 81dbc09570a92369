"""The mails that tell a person of a sign-in that may not be theirs, of a new password or a new address: when, with
what, from where, what to do."""

from __future__ import annotations

import logging
import random
import smtplib
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce, NullIf
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts import answer_links, email_changes
from accounts.database import insist, storable
from accounts.families import families_of
from accounts.mail import give, site_host, write
from accounts.models import EmailChange, Notice, PasswordChange, SignIn, device_name
from accounts.signals import notice_not_made

logger = logging.getLogger(__name__)

State = Notice.State
# A notice that was handed over is tried until it is this old; later it would alarm more than help.
DELIVER_WITHIN = timedelta(hours=24)
# Longer than a round of deliveries may take (workflows/periodic.py): it is also the claim on a notice.
FIRST_DELAY = timedelta(minutes=3)
LONGEST_DELAY = timedelta(hours=1)
# Seconds in which a round of deliveries begins with another mail: it shall not be cut off while it notes one as sent.
LONGEST_ROUND = 50.0
# Notices that are read at once.
BATCH = 50

# What a mail says first, by its occasion.
HEADINGS = {
    "new_device": "New sign-in to your account",
    "suspicious": "This sign-in looks wrong",
    "unanswered": "We have not heard from you",
}


class MailNotMade(Exception):
    """The site itself erred in making the mail, or in giving it away: trying again helps once that is mended."""


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


def claim_notice(about: SignIn | PasswordChange, message_id: str) -> Notice:
    """The one notice of this sign-in, or change of a password, made if it is not there; one given up begins anew.

    One that was sent, or that the deliveries have, is not to be sent by who gets it here.
    """
    of = {"sign_in": about} if isinstance(about, SignIn) else {"password_change": about}
    notice, _ = Notice.objects.get_or_create(**of, defaults={"message_id": message_id})
    if notice.state == State.GIVEN_UP:
        begin_anew(notice, State.CLAIMED)
    return notice


def begin_anew(notice: Notice, state: str, next_attempt_at: datetime | None = None) -> None:
    """One that was given up shall go out after all: it has all its time again."""
    fields: dict[str, Any] = {"state": state, "attempts": 0, "last_error": ""}
    fields |= {"created_at": timezone.now(), "next_attempt_at": next_attempt_at}
    if Notice.objects.filter(pk=notice.pk, state=State.GIVEN_UP).update(**fields):
        for name, value in fields.items():
            setattr(notice, name, value)


def send_notice(notice: Notice) -> None:
    """Send the mail. Every attempt carries the same Message-ID, by which mail programs see one mail.

    It goes where the person's mails went when that happened: who has changed the address since may be whom it is about.
    Raises MailNotMade, MailServerAway or MailRefused.
    """
    try:
        _give(_mail_of(notice))
    except (MailServerAway, MailRefused):
        raise
    except (DatabaseError, InterfaceError, SoftTimeLimitExceeded):
        raise  # these say nothing of the mail
    except Exception as error:  # whatever may be wrong with a template, or with what it shows
        logger.exception("the mail %s could not be made", notice.message_id)
        raise MailNotMade(storable(f"{type(error).__name__}: {error}")) from error


def _give(mail: EmailMultiAlternatives) -> None:
    if not mail.recipients():
        raise MailRefused("The account has no e-mail address.")
    try:
        give(mail)
    except (OSError, ValueError) as error:
        raise mail_error_of(error)(str(error)) from error


def _mail_of(notice: Notice) -> EmailMultiAlternatives:
    template = _template(notice)
    context = notice_context(notice)
    mail = write(
        subject=render_to_string(f"{template}_subject.txt", context),
        body=render_to_string(f"{template}.txt", context),
        html=render_to_string(f"{template}.html", context),
        to=[_recipient(notice)],
        message_id=notice.message_id,
    )
    mail.extra_headers |= _thread(notice)
    return mail


def _recipient(notice: Notice) -> str:
    about = notice.about
    return about.old if isinstance(about, EmailChange) else email_changes.address_at(about.user, about.created_at)


def _template(notice: Notice) -> str:
    if notice.email_change_id:
        return "accounts/email_notice"
    return "accounts/password_notice" if notice.password_change_id else "accounts/notice"


def mail_error_of(error: OSError | ValueError) -> type[MailServerAway] | type[MailRefused]:
    """What an error of a mail server means: MailRefused, MailPutOff, or MailServerAway."""
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


def _thread(notice: Notice) -> dict[str, str]:
    """RFC 5322, 3.6.4: mail programs show the second mail with the first."""
    if not notice.follow_up_of_id:
        return {}
    first = notice.follow_up_of.message_id
    return {"In-Reply-To": first, "References": first}


def notice_context(notice: Notice) -> dict[str, Any]:
    return _about(notice) | {
        "user": notice.user,
        "site_host": site_host(),
        "security_url": settings.SITE_URL + reverse(settings.LOGIN_REDIRECT_URL),
        "password_url": settings.SITE_URL + reverse("account_change_password"),
        "reset_url": settings.SITE_URL + reverse("account_reset_password"),
        "addresses_url": settings.SITE_URL + reverse("account_email"),
    }


def _about(notice: Notice) -> dict[str, Any]:
    about = notice.about
    return _sign_in_context(notice, about) if isinstance(about, SignIn) else _change_context(about)


def _sign_in_context(notice: Notice, sign_in: SignIn) -> dict[str, Any]:
    occasion = _occasion(notice)
    return {
        "occasion": occasion,
        "heading": HEADINGS[occasion],
        "sign_in": sign_in,
        "mine_url": answer_links.link(sign_in, SignIn.Answer.MINE),
        "not_mine_url": answer_links.link(sign_in, SignIn.Answer.NOT_MINE),
    }


def _occasion(notice: Notice) -> str:
    """What the mail is about: "unanswered", a "new_device", or of a known one a sign-in that was "suspicious"."""
    if notice.follow_up_of_id:
        return "unanswered"
    return "new_device" if is_worth_a_notice(notice.sign_in) else "suspicious"


def _change_context(change: PasswordChange | EmailChange) -> dict[str, Any]:
    families = families_of(change.user_agent)
    return {"change": change, "device_name": device_name(browser=families.browser, os=families.os)}


def mark_sent(notice: Notice) -> None:
    Notice.objects.filter(pk=notice.pk).update(state=State.SENT, sent_at=timezone.now(), next_attempt_at=None)


def hand_over(notice: Notice, error: str) -> None:
    """Leave the mail to ``deliver_due_notices``: what keeps it from going out takes longer than a run waits."""
    Notice.objects.filter(pk=notice.pk, state=State.CLAIMED).update(
        state=State.HANDED_OVER, last_error=error, next_attempt_at=timezone.now() + FIRST_DELAY
    )


def tried_until(notice: Notice) -> datetime:
    """Where it was handed over."""
    return notice.created_at + DELIVER_WITHIN


def give_up(notice: Notice, error: str) -> None:
    """It is not sent, unless somebody has sent it meanwhile."""
    unsent = Notice.objects.filter(pk=notice.pk).exclude(state=State.SENT)
    unsent.update(state=State.GIVEN_UP, last_error=error, next_attempt_at=None)


def deliver_due_notices() -> list[Notice]:
    """Try the mails that were handed over and are due, until the mail server is away; returns those that went out."""
    _give_up_old_notices()
    delivered = []
    until = time.monotonic() + LONGEST_ROUND
    for notice in _due_notices():
        if time.monotonic() > until:
            break
        try:
            if deliver(notice):
                delivered.append(notice)
        except (MailPutOff, MailNotMade):
            continue
        except MailServerAway:
            break
    return delivered


def _give_up_old_notices() -> None:
    """Before any is tried: while the mail server was away, hardly one had its turn."""
    too_old = _due().filter(created_at__lt=timezone.now() - DELIVER_WITHIN)
    why = Coalesce(NullIf("last_error", Value("")), Value("its time was over before it was tried"))
    too_old.update(state=State.GIVEN_UP, last_error=why, next_attempt_at=None)


def _due_notices() -> Iterator[Notice]:
    """The longest due first. Whichever was tried is due no longer, so that each batch has others."""
    people = ("sign_in__user", "password_change__user", "email_change__user", "follow_up_of__sign_in__user")
    while batch := list(_due().select_related(*people).order_by("next_attempt_at")[:BATCH]):
        yield from batch
        if len(batch) < BATCH:
            return


def _due() -> QuerySet[Notice]:
    return Notice.objects.filter(state=State.HANDED_OVER, next_attempt_at__lte=timezone.now())


def deliver(notice: Notice) -> bool:
    """Try a mail that was handed over; whether it went out. One that did not is tried again until it is too old.

    Raises MailServerAway or MailNotMade; that is noted by then.
    """
    return _claim_attempt(notice) and _deliver(notice)


def _claim_attempt(notice: Notice) -> bool:
    """Push the next attempt back, which also keeps others off this one; False where another was faster."""
    delay = min(FIRST_DELAY * 2 ** min(notice.attempts, 10), LONGEST_DELAY)
    # Those that were handed over together do not come back together.
    delay = max(FIRST_DELAY, delay * random.uniform(0.75, 1.0))  # noqa: S311
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
    except (MailServerAway, MailNotMade) as error:
        _note_error(notice, error)
        raise
    insist(partial(mark_sent, notice))
    return True


@transaction.atomic
def _note_error(notice: Notice, error: MailServerAway | MailNotMade) -> None:
    """That a mail cannot be made is announced, but not at each attempt anew."""
    Notice.objects.filter(pk=notice.pk).update(last_error=str(error))
    if isinstance(error, MailNotMade) and notice.last_error != str(error):
        notice_not_made.send(Notice, notice=notice, error=str(error))
