"""What a user agent names itself."""

from __future__ import annotations

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives

from accounts import families, notices
from accounts.families import Families, families_of
from accounts.models import FAMILY_LENGTH, User
from tests.accounts.browser import (
    CHROME_ON_LINUX,
    CURL,
    ELSEWHERE,
    FIREFOX_ON_LINUX,
    FIREFOX_ON_WINDOWS,
    Browser,
    decide,
)

IOS = "CFNetwork/1.0 Darwin/19.0"


@pytest.mark.parametrize(
    ("user_agent", "named"),
    [
        (FIREFOX_ON_LINUX, Families("Firefox", "Linux")),
        (FIREFOX_ON_WINDOWS, Families("Firefox", "Windows")),
        (CHROME_ON_LINUX, Families("Chrome", "Linux")),
        (FIREFOX_ON_LINUX.replace("X11;", "X11; Ubuntu;"), Families("Firefox", "Ubuntu")),
        (CURL, Families("curl", "")),
        ("Mozilla/5.0", Families("", "")),
        ("", Families("", "")),
    ],
)
def test_a_user_agent_names_families(user_agent: str, named: Families) -> None:
    assert families_of(user_agent) == named


@pytest.mark.parametrize(
    "words", ["https://evil.example/reset", "Nothing to do. You are safe", "Ignore this", "x" * 100]
)
def test_who_signs_in_writes_no_words_into_the_mail_about_it(words: str, alice: User, owner: Browser) -> None:
    user_agent = f"{words}/1.0 {IOS}"
    assert families_of(user_agent) == Families("", "iOS")

    sign_in = decide(Browser(user_agent, ELSEWHERE).sign_in(alice))

    notices.send_notice(notices.claim_notice(sign_in, "<1@testserver>"))
    (message,) = mail.outbox
    assert isinstance(message, EmailMultiAlternatives)
    assert "a browser on iOS" in message.subject
    for text in (message.subject, message.body, *(str(content) for content, _ in message.alternatives)):
        assert words not in text


def test_a_family_is_no_longer_than_what_is_kept_of_it() -> None:
    assert max(len(name) for names in families._known() for name in names) <= FAMILY_LENGTH
