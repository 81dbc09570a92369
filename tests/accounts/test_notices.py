"""The mail that tells a person of a sign-in from a device not known."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import cast

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from pytest_django import Settings

from accounts import answers, notices
from accounts.models import Notice, SignIn, User
from tests.accounts.browser import CHROME_ON_LINUX, Browser, decide

MESSAGE_ID = "<1f0c.notify_user@testserver>"
HOSTILE = '<img src="http://evil.example/x.png"><b>bold</b>'


@pytest.fixture
def sign_in(alice: User) -> SignIn:
    """Of a second device of alice, whose place is known."""
    decide(Browser().sign_in(alice))
    sign_in = decide(Browser(CHROME_ON_LINUX, "81.2.69.142").sign_in(alice))
    sign_in.place = "London, United Kingdom"
    sign_in.created_at = datetime(2026, 3, 1, 22, 5, tzinfo=UTC)
    sign_in.save()
    return sign_in


def sent_for(sign_in: SignIn) -> EmailMultiAlternatives:
    notices.send_notice(notices.claim_notice(sign_in, MESSAGE_ID))
    return cast(EmailMultiAlternatives, mail.outbox[-1])


def html_of(message: EmailMultiAlternatives) -> str:
    ((content, content_type),) = message.alternatives
    assert content_type == "text/html"
    return str(content)


def test_one_mail_to_the_person_in_text_and_html(sign_in: SignIn, settings: Settings) -> None:
    message = sent_for(sign_in)

    assert len(mail.outbox) == 1
    assert (message.to, message.cc, message.bcc) == (["alice@example.com"], [], [])
    assert message.from_email == settings.DEFAULT_FROM_EMAIL
    assert message.subject == "New sign-in to your account: Chrome on Linux"
    assert message.message().get_content_type() == "multipart/alternative"


def test_it_says_when_with_what_from_where_and_what_to_do(sign_in: SignIn) -> None:
    message = sent_for(sign_in)

    for body in (str(message.body), html_of(message)):
        for said in (
            "alice",
            "1 March 2026, 22:05 UTC (+0000)",
            "Chrome on Linux",
            "81.2.69.142",
            "London, United Kingdom",
            "http://testserver/accounts/password/change/",
            "http://testserver/security/",
        ):
            assert said in body


def test_the_time_is_told_in_the_sites_zone(sign_in: SignIn, settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Lisbon"
    sign_in.created_at = datetime(2026, 7, 1, 22, 5, tzinfo=UTC)

    assert "1 July 2026, 23:05 WEST (+0100)" in str(sent_for(sign_in).body)


def test_what_is_not_known_is_called_so(sign_in: SignIn) -> None:
    sign_in.place, sign_in.ip_address, sign_in.browser, sign_in.os = "", None, "", ""
    message = sent_for(sign_in)

    assert "an unknown address, place unknown" in str(message.body)
    assert "an unknown address</strong>, place unknown" in html_of(message)
    assert message.subject == "New sign-in to your account: an unknown device"


def test_links_lead_to_this_site_alone_and_nothing_is_fetched(sign_in: SignIn, settings: Settings) -> None:
    settings.SITE_URL = "https://watch.example.com"
    message = sent_for(sign_in)

    for body in (str(message.body), html_of(message)):
        links = set(re.findall(r"https?://[^\s\"<]+", body))
        answers = {link for link in links if link.startswith("https://watch.example.com/answers/")}
        assert sorted(link.rsplit("/", 2)[1] for link in answers) == ["mine", "not-mine"]
        assert links - answers == {
            "https://watch.example.com/accounts/password/change/",
            "https://watch.example.com/accounts/password/reset/",
            "https://watch.example.com/accounts/email/",
            "https://watch.example.com/security/",
        }
    assert not re.search(r"<(img|script|link|iframe|form|video|audio)|url\(|@import|\ssrc=", html_of(message), re.I)


def test_markup_in_a_name_is_text(sign_in: SignIn) -> None:
    sign_in.user.username = sign_in.browser = HOSTILE
    message = sent_for(sign_in)

    assert "<img" not in html_of(message)
    assert "<b>" not in html_of(message)
    assert html_of(message).count("&lt;b&gt;bold&lt;/b&gt;") == 2
    # The plain text is not markup: it shows what is there.
    assert HOSTILE in str(message.body)


@pytest.mark.parametrize("newline", ["\n", "\r", "\r\n"])
def test_a_newline_in_a_name_begins_no_header(sign_in: SignIn, newline: str) -> None:
    sign_in.browser = f"Firefox{newline}Bcc: everyone@example.com{newline}{newline}Hello"
    message = sent_for(sign_in).message()

    assert message["Subject"] == ("New sign-in to your account: Firefox Bcc: everyone@example.com Hello on Linux")
    assert "Bcc" not in message


def test_every_attempt_is_the_same_mail_to_a_mail_program(sign_in: SignIn) -> None:
    first, second = sent_for(sign_in), sent_for(sign_in)

    assert first.message()["Message-ID"] == second.message()["Message-ID"] == MESSAGE_ID
    assert first.message()["Auto-Submitted"] == "auto-generated"


def test_a_sign_in_has_one_notice_however_often_it_is_claimed(sign_in: SignIn) -> None:
    first = notices.claim_notice(sign_in, MESSAGE_ID)
    second = notices.claim_notice(sign_in, "<another@testserver>")

    assert first == second == Notice.objects.get()
    assert (second.message_id, second.state) == (MESSAGE_ID, Notice.State.CLAIMED)


def test_of_a_device_that_was_disowned_it_says_how_that_ends(sign_in: SignIn, owner: Browser) -> None:
    intruder = Browser(CHROME_ON_LINUX, "81.2.69.142")
    answers.answer(decide(intruder.sign_in(sign_in.user)), SignIn.Answer.NOT_MINE)

    message = sent_for(decide(intruder.sign_in(sign_in.user)))

    for body in (str(message.body), html_of(message)):
        assert "from a device of which you said that it was not you" in body
        assert "until you say “it was me” of one, or choose a new password" in body
