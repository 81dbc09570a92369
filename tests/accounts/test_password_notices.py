"""The mail that tells a person of a new password."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
import time_machine
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from accounts import notices
from accounts.models import Notice, PasswordChange, SignIn, User
from tests.accounts.browser import ELSEWHERE, FIREFOX_ON_LINUX
from tests.accounts.test_notices import HOSTILE, html_of

MESSAGE_ID = "<2f0c.notify_user@testserver>"
How = PasswordChange.How
WHEN = datetime(2026, 3, 1, 22, 5, tzinfo=UTC)


def make_change(person: User, how: str = How.CHANGED, **fields: str) -> PasswordChange:
    values = {"ip_address": ELSEWHERE, "user_agent": FIREFOX_ON_LINUX, "session_key": "it-stays"} | fields
    return PasswordChange.objects.create(user=person, how=how, created_at=WHEN, **values)


def sent_for(change: PasswordChange, message_id: str = MESSAGE_ID) -> EmailMultiAlternatives:
    notices.send_notice(notices.claim_notice(change, message_id))
    return cast(EmailMultiAlternatives, mail.outbox[-1])


@pytest.mark.parametrize(
    ("how", "subject", "says"),
    [
        (How.CHANGED, "changed", "the password of your account at testserver was changed."),
        (How.RESET, "changed", "a new password was chosen for your account at testserver, with a link from a mail."),
        (How.SET, "set", "a password was set for your account at testserver, which had none."),
        (How.BY_OPERATOR, "changed", "was changed by an operator of the site."),
    ],
)
def test_it_says_how_in_text_and_html(alice: User, how: str, subject: str, says: str) -> None:
    message = sent_for(make_change(alice, how))

    assert message.subject == f"The password of your account was {subject}"
    assert (message.to, message.extra_headers["Message-ID"]) == (["alice@example.com"], MESSAGE_ID)
    for body in (str(message.body), html_of(message)):
        assert says in body
        assert "1 March 2026, 22:05 UTC (+0000)" in body
        assert "http://testserver/accounts/password/reset/" in body


def test_it_says_with_what_and_from_where_but_not_of_an_operator(alice: User) -> None:
    own = sent_for(make_change(alice))
    operators = sent_for(make_change(alice, How.BY_OPERATOR), "<3f0c.notify_user@testserver>")

    for said in ("Firefox on Linux", ELSEWHERE):
        assert said in str(own.body) and said in html_of(own)
        assert said not in str(operators.body) and said not in html_of(operators)


@pytest.mark.parametrize(("key", "says"), [("it-stays", "All other browsers"), ("", "All browsers")])
def test_it_says_who_is_signed_out_and_names_no_session(alice: User, key: str, says: str) -> None:
    message = sent_for(make_change(alice, session_key=key))

    for body in (str(message.body), html_of(message)):
        assert f"{says} are signed out." in body
        assert "it-stays" not in body


def test_markup_in_a_name_is_text(alice: User) -> None:
    User.objects.update(username=HOSTILE)
    message = sent_for(make_change(User.objects.get(), user_agent=HOSTILE))

    assert "<img" not in html_of(message) and "<b>" not in html_of(message)
    assert HOSTILE in str(message.body)


def test_links_lead_to_this_site_alone_and_nothing_is_fetched(alice: User) -> None:
    message = sent_for(make_change(alice))

    assert not re.search(r"<(img|script|link|iframe|form|video|audio)|url\(|@import|\ssrc=", html_of(message), re.I)
    for body in (str(message.body), html_of(message)):
        assert set(re.findall(r"https?://([^/\s\"<]+)", body)) == {"testserver"}


def test_both_kinds_of_notices_are_delivered_late(alice: User) -> None:
    sign_in = SignIn.objects.create(user=alice, issued_token="t")
    for about in (sign_in, make_change(alice)):
        notices.hand_over(notices.claim_notice(about, f"<{type(about).__name__}@testserver>"), "away")

    with time_machine.travel(timezone.now() + timedelta(minutes=4)):
        delivered = notices.deliver_due_notices()

    assert {notice.sign_in for notice in delivered} == {sign_in, None}
    assert {notice.user for notice in delivered} == {alice}
    assert set(Notice.objects.values_list("state", flat=True)) == {Notice.State.SENT}
    assert len(mail.outbox) == 2
