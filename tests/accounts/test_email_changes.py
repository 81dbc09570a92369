"""Where mails go: a change of the address is told to the old one, which is asked about what was before it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import cast

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone
from pytest_django import Settings

from accounts import follow_ups, notices, password_changes, retention
from accounts.models import EmailChange, Notice, SecurityEvent, SignIn, User
from tests.accounts.browser import (
    CHROME_ON_LINUX,
    ELSEWHERE,
    FIREFOX_ON_LINUX,
    HOME,
    Browser,
    decide,
    later,
    signed_in,
)
from tests.accounts.test_mail_away import mail_away as mail_away  # the fixture
from tests.accounts.test_mail_away import mail_is_back
from tests.accounts.test_notices import HOSTILE, html_of
from tests.conftest import PASSWORD

OLD, NEW = "alice@example.com", "mallory@example.com"
ADDRESSES = "/accounts/email/"


def add_address(browser: Browser, address: str) -> None:
    """And confirm it by the link that is sent there."""
    browser.post(ADDRESSES, {"action_add": "", "email": address})
    link = re.search(r"http://testserver(/accounts/confirm-email/\S+)", str(mail.outbox.pop().body))
    assert link
    browser.post(link[1], {})


def make_primary(browser: Browser, address: str) -> None:
    assert browser.post(ADDRESSES, {"action_primary": "", "email": address}).status_code == 302


@pytest.fixture
def thief(alice: User) -> Browser:
    """Who has signed in as alice and confirmed an address of their own."""
    browser = signed_in(alice)
    add_address(browser, NEW)
    return browser


def recipients() -> list[list[str]]:
    return [message.to for message in mail.outbox]


def test_a_change_is_in_the_security_log(alice: User, thief: Browser) -> None:
    make_primary(thief, NEW)

    event = SecurityEvent.objects.get(kind=SecurityEvent.Kind.EMAIL_CHANGED)
    assert (event.user, event.ip_address, event.details) == (alice, HOME, {"from": OLD, "to": NEW})
    change = EmailChange.objects.get()
    assert (change.user, change.old, change.new, change.user_agent) == (alice, OLD, NEW, FIREFOX_ON_LINUX)


def test_the_same_address_again_is_no_change(alice: User) -> None:
    make_primary(signed_in(alice), OLD)

    assert not EmailChange.objects.exists() and not Notice.objects.exists() and mail.outbox == []


def test_the_old_address_is_told_once_in_text_and_html(alice: User, thief: Browser) -> None:
    with time_machine.travel("2026-03-01T22:05:00Z", tick=False):
        make_primary(signed_in(alice), NEW)
        assert mail.outbox == []  # the form sends none by itself
        notices.deliver_due_notices()
        notices.deliver_due_notices()

    (message,) = mail.outbox
    assert (message.to, message.subject) == ([OLD], "Your primary e-mail address is changed")
    for body in (str(message.body), html_of(cast(EmailMultiAlternatives, message))):
        for said in ("alice", OLD, NEW, HOME, "Firefox on Linux", "1 March 2026, 22:05 UTC (+0000)"):
            assert said in body
        assert "http://testserver/accounts/password/reset/" in body
    assert Notice.objects.get().state == Notice.State.SENT


def test_it_is_told_though_the_mail_server_is_away_for_hours(
    alice: User, thief: Browser, mail_away: None, settings: Settings
) -> None:
    make_primary(thief, NEW)
    assert "could not be sent" not in thief.get(ADDRESSES).content.decode()
    assert notices.deliver_due_notices() == []

    mail_is_back(settings)
    with later(hours=10):
        notices.deliver_due_notices()

    assert recipients() == [[OLD]]


def test_so_is_the_address_of_an_account_that_had_confirmed_none(admin: User) -> None:
    """As an operator's that was made at a terminal: allauth makes the first one that is confirmed the primary one."""
    EmailAddress.objects.filter(user=admin).delete()
    browser = signed_in_there(admin)

    add_address(browser, NEW)
    notices.deliver_due_notices()

    admin.refresh_from_db()
    assert admin.email == NEW
    assert recipients() == [["admin@example.com"]]


def test_and_one_that_an_operator_changes(alice: User, admin: User) -> None:
    operator = signed_in_there(admin)
    page = f"/admin/accounts/user/{alice.pk}/change/"
    form = {
        "username": "alice",
        "email": "",
        "is_active": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "12:00",
    }

    for address in (OLD.upper(), NEW):
        assert operator.post(page, form | {"email": address}).status_code == 302

    notices.deliver_due_notices()
    assert recipients() == [[OLD]]  # the other one was the same in another case
    assert "Device:" not in mail.outbox[-1].body  # which is the operator's
    event = SecurityEvent.objects.get(kind=SecurityEvent.Kind.EMAIL_CHANGED)
    assert (event.user, event.ip_address) == (alice, None)
    assert event.details == {"from": OLD, "to": NEW, "by": {"id": admin.pk, "name": "admin"}}


def test_its_notice_is_found_by_its_person(alice: User, bob: User, admin: User, thief: Browser) -> None:
    make_primary(thief, NEW)
    notices.claim_notice(decide(Browser().sign_in(bob)), "<1@testserver>")
    operator = signed_in_there(admin)

    for person, found in (("alice", [True, False]), ("bob", [False, True])):
        page = operator.get(f"/admin/accounts/notice/?q={person}").content.decode()
        assert [f"{user.pk}/change/" in page for user in (alice, bob)] == found


def signed_in_there(operator: User) -> Browser:
    """In the admin, and so without a confirmed address."""
    browser = Browser()
    browser.post("/admin/login/", {"username": operator.username, "password": PASSWORD})
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return browser


def test_markup_in_what_the_browser_says_is_text(alice: User) -> None:
    alice.username = HOSTILE
    alice.save()
    change = EmailChange.objects.create(user=alice, old=OLD, new=NEW, user_agent=HOSTILE)
    notice = Notice.objects.create(email_change=change, message_id="<1@testserver>")

    notices.send_notice(notice)

    assert "<img" not in html_of(cast(EmailMultiAlternatives, mail.outbox[-1]))
    assert HOSTILE in str(mail.outbox[-1].body)


# --- What was before the change is asked at the old address -------------------------------------------------


@pytest.fixture
def sign_in(alice: User, owner: Browser, thief: Browser) -> SignIn:
    """Of the thief, from another browser, before they change the address."""
    return decide(Browser(CHROME_ON_LINUX, ELSEWHERE).sign_in(alice))


def fresh(sign_in: SignIn) -> SignIn:
    return SignIn.objects.get(pk=sign_in.pk)


def test_the_notice_of_a_sign_in_goes_to_the_address_of_then(sign_in: SignIn, thief: Browser) -> None:
    make_primary(thief, NEW)

    notices.send_notice(notices.claim_notice(fresh(sign_in), "<1@testserver>"))

    assert recipients() == [[OLD]]


def test_and_so_does_what_asks_again_though_the_address_changed_twice(sign_in: SignIn, thief: Browser) -> None:
    follow_ups.ask_about(sign_in, "<1@testserver>")
    make_primary(thief, NEW)
    add_address(thief, "mallory2@example.com")
    make_primary(thief, "mallory2@example.com")
    Notice.objects.exclude(sign_in=sign_in).delete()

    with later(hours=1):
        notices.deliver_due_notices()
    with later(hours=25):
        second = follow_ups.claim(Notice.objects.get().pk)
        assert second is not None and notices.deliver(second)

    assert recipients() == [[OLD], [OLD]]


def test_what_came_after_the_change_goes_to_the_new_address(alice: User, owner: Browser, thief: Browser) -> None:
    make_primary(thief, NEW)

    sign_in = decide(Browser(CHROME_ON_LINUX, ELSEWHERE).sign_in(alice))
    notices.send_notice(notices.claim_notice(fresh(sign_in), "<1@testserver>"))

    assert recipients() == [[NEW]]


def test_the_notice_of_a_new_password_goes_to_the_address_of_then(alice: User, thief: Browser) -> None:
    change = alice.password_changes.create(how=password_changes.How.CHANGED)
    make_primary(thief, NEW)

    change.refresh_from_db()
    notices.send_notice(notices.claim_notice(change, "<1@testserver>"))

    assert recipients() == [[OLD]]


def test_the_addresses_of_another_person_are_of_no_account(bob: User, thief: Browser) -> None:
    sign_in = decide(Browser().sign_in(bob))
    make_primary(thief, NEW)

    notices.send_notice(notices.claim_notice(fresh(sign_in), "<1@testserver>"))

    assert recipients() == [["bob@example.com"]]


# --- How long it is kept ------------------------------------------------------------------------------------


def test_it_goes_with_its_notice_when_the_sign_ins_of_its_time_go(
    alice: User, thief: Browser, settings: Settings
) -> None:
    settings.RETENTION_SIGN_INS_DAYS = 30
    make_primary(thief, NEW)

    with later(days=29):
        assert not retention.delete_oldest(retention.due_email_changes())
    with later(days=31):
        assert retention.delete_oldest(retention.due_email_changes()) == {
            "accounts.EmailChange": 1,
            "accounts.Notice": 1,
        }


def test_an_old_change_says_nothing_of_what_came_after_it(alice: User, owner: Browser, thief: Browser) -> None:
    make_primary(thief, NEW)
    EmailChange.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert EmailAddress.objects.get(user=alice, primary=True).email == NEW

    sign_in = decide(Browser(CHROME_ON_LINUX, ELSEWHERE).sign_in(alice))
    notices.send_notice(notices.claim_notice(fresh(sign_in), "<1@testserver>"))

    assert recipients() == [[NEW]]
