"""How allauth is fitted to this site."""

from __future__ import annotations

import functools
import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context as allauth_context
from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.core.mail.message import sanitize_address
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from accounts import usernames
from accounts.clients import client_ip, client_user_agent
from accounts.models import User

logger = logging.getLogger(__name__)

# The limits count by address. Clients without one (behind a socket, without a trusted proxy) share this one's:
# they can sign in, and guessers among them gain nothing.
NO_ADDRESS = "unknown"
MAIL_NOT_SENT = "mail_not_sent"
# What tells of these is the notice of the change, which outlasts a mail server that is away.
TOLD_BY_NOTICE = {
    f"account/email/{what}" for what in ("password_changed", "password_set", "password_reset", "email_changed")
}
SAYS_MAIL_SENT = "account/messages/email_confirmation_sent.txt"
NOT_RIGHT = "The e-mail address, user name or password is not correct."


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": NOT_RIGHT,
        "username_password_mismatch": NOT_RIGHT,
        "enter_current_password": "That is not your current password.",
        "incorrect_password": "That is not your password.",
        "too_many_login_attempts": "Too many sign-ins have failed. Try again in a few minutes.",
        "email_taken": "Someone has signed up with this e-mail address already.",
        "username_taken": "Someone has signed up with this user name already.",
        "duplicate_email": "This e-mail address is yours already.",
        "cannot_remove_primary_email": "You cannot remove your primary e-mail address.",
        "max_email_addresses": "You cannot add more than %d e-mail addresses.",
        "impossible_email": "No mail can be sent to this address.",
        "unknown_email": "This e-mail address belongs to no account.",
        "unverified_primary_email": "Your primary e-mail address must be confirmed.",
    }

    def get_client_ip(self, request: HttpRequest) -> str:
        """One reading of X-Forwarded-For everywhere; allauth's own raises where there is no good address."""
        return client_ip(request) or NO_ADDRESS

    def get_http_user_agent(self, request: HttpRequest) -> str:
        return client_user_agent(request)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """What failed sign-ins are counted by: what was typed, in any case. allauth's own has the Host header in it.

        Not by the account: where its name and its addresses shared a count, that would tell which belong together.
        """
        name: str = credentials.get("email") or credentials.get("username") or ""
        return name.lower()

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail that a form asked for. Where the mail server does not take it, its sender is told.

        What the form changed stands, and the mail may be asked for again at once: the limit on asking counts mails
        that went out.
        """
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, ValueError) as error:  # an SMTPException is the first, an address that is none the second
            logger.error("a mail (%s) was not sent: %s", template_prefix, error)
            request = allauth_context.request
            setattr(request, MAIL_NOT_SENT, True)
            messages.error(request, "The mail could not be sent just now. Try again in a few minutes.")
            ratelimit.clear(request, action="confirm_email", key=email.lower())

    def send_notification_mail(self, template_prefix: str, *args: Any, **kwargs: Any) -> None:
        """Tell a person that their account was changed, once it is: no transaction waits for a mail server."""
        if template_prefix not in TOLD_BY_NOTICE:
            tell = functools.partial(super().send_notification_mail, template_prefix, *args, **kwargs)
            transaction.on_commit(tell)

    def set_password(self, user: User, password: str) -> None:
        """That alone is written: what an operator has changed of the account meanwhile stays."""
        user.set_password(password)
        user.save(update_fields=["password"])

    def clean_username(self, username: str, shallow: bool = False) -> str:
        name: str = super().clean_username(username, shallow)
        if not shallow and usernames.is_taken(name):
            raise self.validation_error("username_taken")
        return name

    def clean_email(self, email: str) -> str:
        """An address may be well formed and have a domain that no mail can name."""
        try:
            sanitize_address(email, settings.DEFAULT_CHARSET)
        except ValueError as error:
            raise self.validation_error("impossible_email") from error
        return email

    def can_delete_email(self, email_address: EmailAddress) -> bool:
        """Where notices go stays: without it the account would have none."""
        return bool(email_address.email != email_address.user.email and super().can_delete_email(email_address))

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Confirm it, and make it the primary one where there is none: both, or neither where it is another's."""
        try:
            with transaction.atomic():
                return bool(super().confirm_email(request, email_address))
        except IntegrityError:
            self.add_message(
                request, messages.ERROR, "account/messages/email_confirmation_failed.txt", {"email": str(email_address)}
            )
            return False

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """Show allauth's message, but not that a mail was sent which was not."""
        if message_template != SAYS_MAIL_SENT or not getattr(request, MAIL_NOT_SENT, False):
            super().add_message(request, level, message_template, *args, **kwargs)
