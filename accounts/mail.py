"""The mails that the site writes of itself, and giving them to the mail server: when one counts as accepted."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection

logger = logging.getLogger(__name__)


def write(*, subject: str, body: str, html: str = "", to: list[str], message_id: str = "") -> EmailMultiAlternatives:
    """``message_id`` follows from what it tells of: however often it is sent, mail programs see one mail. One that is
    only shown has none.
    """
    # A subject is of one line, whatever is in it: a newline would begin another header.
    mail = EmailMultiAlternatives(subject=" ".join(subject.split()), body=body, to=to)
    # RFC 3834: no out-of-office reply is wanted.
    mail.extra_headers["Auto-Submitted"] = "auto-generated"
    if message_id:
        mail.extra_headers["Message-ID"] = message_id
    if html:
        mail.attach_alternative(html, "text/html")
    return mail


def site_host() -> str:
    """What mails call the site."""
    return urlsplit(settings.SITE_URL).netloc


def give(mail: EmailMessage) -> None:
    """Have the mail server accept the mail, over a connection of its own. Raises OSError or ValueError.

    An SMTPException is an OSError. Once the server has accepted the mail, it is sent, and parting is a courtesy: what
    goes wrong there is no reason to send it again, nor is a task's time limit that comes just then.
    """
    accepted = False
    try:
        with get_connection() as mail.connection:  # of its own accord, send() leaves one open that failed to sign in
            mail.send()
            accepted = True
    except (OSError, SoftTimeLimitExceeded) as error:
        if not accepted:
            raise
        logger.info("the mail server has accepted a mail, but did not part: %r", error)
