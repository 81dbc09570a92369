"""Mails of bulk jobs: one to each person, whose Message-ID follows from the job, so that mail programs see one."""

from __future__ import annotations

import smtplib
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.template.loader import render_to_string
from django.urls import reverse

from accounts import notices, password_links
from accounts.mail import site_host, write
from accounts.models import User
from workflows.bulk.actions import texts
from workflows.bulk.registry import Rest, RowFailed, Work

# Seconds until a mail server that is away is asked again.
SERVER_AWAY = 30.0


def notice(user: User, parameters: dict[str, Any]) -> EmailMessage:
    """As who asks for it is shown, and as it is sent."""
    text = texts.fill(parameters["text"], user)
    body = render_to_string("workflows/bulk/notice.txt", _context(user) | {"text": text})
    return write(subject=texts.fill(parameters["subject"], user), body=body, to=[user.email])


def ask_password(user: User) -> EmailMessage:
    reset = {"reset_url": password_links.reset_link(user)}
    body = render_to_string("workflows/bulk/password.txt", _context(user) | reset)
    return write(subject="Please choose a new password", body=body, to=[user.email])


def preview(mail: EmailMessage) -> str:
    """What its reader sees of it."""
    return f"To: {', '.join(mail.to)}\nSubject: {mail.subject}\n\n{mail.body}"


def send(mail: EmailMessage, user: User, work: Work) -> None:
    """Raises RowFailed where the server will not take this mail, and Rest where it is away, or breaks off at it."""
    mail.extra_headers["Message-ID"] = f"<bulk.{work.job.pk}.{user.pk}@{settings.SITE_HOST}>"
    mail.connection = _open(work)
    try:
        if not mail.send():
            raise RowFailed("The account has no e-mail address.")
    except (OSError, ValueError) as error:  # an SMTPException is an OSError
        _fail(error, work)


def _open(work: Work) -> Any:
    """One connection for all mails of a message. Raises Rest, for which no mail is to blame."""
    if work.mailer is None:
        mailer = get_connection()
        try:
            mailer.open()
            _greet(mailer)
        except OSError as error:
            mailer.close()
            raise Rest(f"The mail server is away: {error}", SERVER_AWAY) from error
        work.mailer = mailer
    return work.mailer


def _greet(mailer: Any) -> None:
    """Say EHLO now, and not with the first mail: a server that falls silent there is away for all of them."""
    connection = getattr(mailer, "connection", None)
    if isinstance(connection, smtplib.SMTP):
        connection.ehlo_or_helo_if_needed()


def _fail(error: OSError | ValueError, work: Work) -> None:
    work.close()
    kind = notices.mail_error_of(error)
    if kind is notices.MailServerAway:  # or it hangs up at this mail, again and again
        raise Rest(f"The mail server broke off at a mail: {error}", SERVER_AWAY, tried=True) from error
    if kind is notices.MailPutOff:
        raise RowFailed(f"The mail server does not take this mail now: {error}") from error
    raise RowFailed(f"The mail server refuses this mail: {error}") from error


def _context(user: User) -> dict[str, Any]:
    return {
        "user": user,
        "site_host": site_host(),
        "security_url": settings.SITE_URL + reverse(settings.LOGIN_REDIRECT_URL),
        "lost_url": settings.SITE_URL + reverse("account_reset_password"),
    }
