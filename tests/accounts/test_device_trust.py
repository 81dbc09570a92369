"""What a password reset does to the trust in devices."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.db.models import QuerySet
from django.utils import timezone

from accounts import answers, notices
from accounts.models import Device, PasswordChange, SignIn, User
from tests.accounts.browser import (
    CHROME_ON_LINUX,
    COOKIE,
    ELSEWHERE,
    FIREFOX_ON_WINDOWS,
    NO_MATCH,
    UNTRUSTED,
    Browser,
    decide,
    found,
)
from tests.accounts.test_password_changes import change_password
from tests.conftest import PASSWORD


def reset_password(person: User) -> None:
    """By the mail that the site sends. The new password is the old one: what is tested is the trust."""
    browser = Browser()
    browser.post("/accounts/password/reset/", {"email": person.email})
    link = re.search(r"http://testserver(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body))
    assert link
    form = browser.get(link[1])
    done = browser.post(form.headers["Location"], {"password1": PASSWORD, "password2": PASSWORD})
    assert done.status_code == 302, done.content.decode()


def change_back_and_forth(person: User, browser: Browser) -> None:
    """Signed in anew, the person in front of ``browser`` changes the password; afterwards it is the old one again."""
    browser.sign_in(person)
    assert browser.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302
    change_password(browser)
    assert person.password_changes.filter(how=PasswordChange.How.CHANGED).exists()
    User.objects.filter(pk=person.pk).update(password=person.password)


def trusted(person: User) -> QuerySet[Device]:
    return Device.objects.filter(user=person, untrusted_at=None)


def test_a_password_reset_ends_the_trust_in_every_device_and_keeps_them(alice: User, bob: User) -> None:
    decide(Browser().sign_in(alice))
    decide(Browser(CHROME_ON_LINUX, ELSEWHERE).sign_in(alice))
    decide(Browser().sign_in(bob))

    reset_password(alice)

    assert not trusted(alice).exists()
    assert sorted(map(str, Device.objects.filter(user=alice))) == ["Chrome on Linux", "Firefox on Linux"]
    assert trusted(bob).count() == 1


def test_after_a_reset_a_cookie_leads_to_its_device_which_is_new_once(alice: User) -> None:
    browser = Browser()
    first = decide(browser.sign_in(alice))
    reset_password(alice)

    second = decide(browser.sign_in(alice))
    assert (found(second), second.device) == (UNTRUSTED, first.device)
    assert notices.is_worth_a_notice(second)

    third = decide(browser.sign_in(alice))
    assert (found(third), third.device) == (COOKIE, first.device)


@pytest.mark.parametrize("by_reset", [True, False])
def test_a_new_password_lets_a_disowned_device_come_back_which_is_new_once(
    alice: User, owner: Browser, intruder: Browser, by_reset: bool
) -> None:
    answers.answer(decide(intruder.sign_in(alice)), SignIn.Answer.NOT_MINE)
    waiting = intruder.sign_in(alice)

    if by_reset:
        reset_password(alice)
    else:
        change_back_and_forth(alice, owner)

    assert found(decide(waiting)) == UNTRUSTED  # it still knew the old one
    assert [found(decide(intruder.sign_in(alice))) for _ in range(2)] == [UNTRUSTED, COOKIE]


@pytest.mark.parametrize("comes_as_a_newcomer", [False, True])
def test_whom_the_owner_has_disowned_gets_no_trust_by_changing_the_password(
    alice: User, owner: Browser, intruder: Browser, comes_as_a_newcomer: bool
) -> None:
    answers.answer(decide(intruder.sign_in(alice)), SignIn.Answer.NOT_MINE)

    change_back_and_forth(alice, Browser(FIREFOX_ON_WINDOWS, ELSEWHERE) if comes_as_a_newcomer else intruder)

    assert [found(decide(intruder.sign_in(alice))) for _ in range(3)] == [UNTRUSTED] * 3


def test_after_a_reset_nothing_is_alike_to_a_device_that_is_not_trusted(alice: User) -> None:
    first = decide(Browser().sign_in(alice))
    reset_password(alice)
    second = decide(Browser().sign_in(alice))

    assert found(second) == NO_MATCH
    assert second.device != first.device


@pytest.mark.parametrize("has_cookie", [True, False])
def test_a_sign_in_before_the_reset_that_no_worker_has_decided_brings_no_trust_over(
    alice: User, has_cookie: bool
) -> None:
    owner = Browser()
    decide(owner.sign_in(alice))
    browser = owner if has_cookie else Browser(CHROME_ON_LINUX, ELSEWHERE)
    waiting = browser.sign_in(alice)
    reset_password(alice)
    waiting = decide(waiting)

    assert found(waiting) == (COOKIE if has_cookie else NO_MATCH)
    assert not trusted(alice).exists()
    assert found(decide(browser.sign_in(alice))) == UNTRUSTED


def test_a_sign_in_from_before_the_reset_that_is_written_after_it_brings_no_trust_over(alice: User) -> None:
    browser = Browser()
    decide(browser.sign_in(alice))
    before_the_reset = timezone.now()
    reset_password(alice)
    late = browser.sign_in(alice)
    SignIn.objects.filter(pk=late.pk).update(created_at=before_the_reset)

    assert found(decide(late)) == UNTRUSTED
    assert not trusted(alice).exists()
