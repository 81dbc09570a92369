"""One mail to a person. A mail server that is known to be away is not asked; its breaker learns how each mail went."""

from __future__ import annotations

from billiard.exceptions import SoftTimeLimitExceeded

from accounts import notices
from accounts.models import Notice
from workflows.breakers import Call

MAIL_SERVER = "mail server"


def send(notice: Notice) -> None:
    """As notices.send_notice; call ``note_sent`` where what it did is noted. Raises breakers.Open, too."""
    call = Call(MAIL_SERVER)
    call.begin()
    try:
        notices.send_notice(notice)
    except notices.MailPutOff:
        call.answered()
        raise
    except (notices.MailNotMade, notices.MailRefused):
        call.withdraw()  # this is about the mail
        raise
    except notices.MailServerAway as error:
        call.failed(str(error))
        raise
    except SoftTimeLimitExceeded:
        call.failed("no answer within the time limit")
        raise


def note_sent() -> None:
    """The mail server took a mail.

    Apart from ``send``: until it is noted that the mail was taken, nothing may go wrong, as the database may.
    """
    Call(MAIL_SERVER).answered()
