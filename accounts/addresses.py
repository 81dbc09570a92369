"""Whose an e-mail address is: of who has confirmed it, whoever else has signed up with it."""

from __future__ import annotations

import logging

from allauth.account.models import EmailAddress

from accounts.models import User

logger = logging.getLogger(__name__)


def give_up_unconfirmed(address: EmailAddress) -> None:
    """Delete the account that another signed up with this address, which its owner has confirmed, and never used.

    It holds the address for ever otherwise, and is of no use to anybody: what may be confirmed once is confirmed, and
    nobody signs in without. An account that is more than that stays: one that was added by an operator (a sign-up has
    a row of its address), that has signed in, that has confirmed any address, or that is of the staff.
    """
    signed_up = User.objects.filter(email=address.email, emailaddress__email=address.email, last_login=None)
    unused = signed_up.exclude(emailaddress__verified=True).exclude(pk=address.user_id)
    deleted, _ = unused.filter(is_staff=False, is_superuser=False).delete()
    if deleted:
        logger.info("an account that never confirmed its address was deleted: account %s has", address.user_id)
