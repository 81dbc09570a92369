"""Giving a mail to the mail server: when it counts as accepted."""

from __future__ import annotations

import logging

from billiard.exceptions import SoftTimeLimitExceeded
from django.core.mail import EmailMessage, get_connection

logger = logging.getLogger(__name__)


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
