"""The links of a notice by which a person answers for a sign-in without signing in: signed, for one sign-in, a week."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.urls import reverse

from accounts.models import SignIn

Answer = SignIn.Answer

# Whoever reads mail on Monday shall still be able to answer; a mailbox that is read years later shall not.
VALID = timedelta(days=7)
SALT = "accounts.answer_links"
NAMES = {Answer.MINE: "answer-mine", Answer.NOT_MINE: "answer-not-mine"}


class LinkBroken(Exception):
    """This site has made no such link: it was cut off on the way, or is somebody's invention."""


class LinkExpired(Exception):
    """It was made too long ago, or nothing is known of its sign-in any longer."""


def link(sign_in: SignIn, said: SignIn.Answer) -> str:
    """The address of the page that takes this answer. It opens no session and answers for no other sign-in."""
    return settings.SITE_URL + reverse(f"accounts:{NAMES[said]}", args=[token_of(sign_in)])


def token_of(sign_in: SignIn) -> str:
    return signing.dumps(sign_in.pk, salt=SALT)


def sign_in_of(token: str) -> SignIn:
    """Raises LinkBroken, LinkExpired."""
    try:
        key = signing.loads(token, salt=SALT, max_age=VALID)
    except signing.SignatureExpired as expired:
        raise LinkExpired from expired
    except signing.BadSignature as bad:
        raise LinkBroken from bad
    sign_in = SignIn.objects.select_related("user", "device").filter(pk=key, emptied_at=None).first()
    if sign_in is None:
        raise LinkExpired
    return sign_in
