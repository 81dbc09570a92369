"""A sign-in that failed is noted on the account it was about, and too many of them meet a limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from accounts.models import SecurityEvent, SignIn, User
from tests.accounts.browser import ELSEWHERE, HOME, LOGIN, Browser, later, signed_in
from tests.conftest import PASSWORD

ADMIN_LOGIN = "/admin/login/"
WRONG = "not-the-password"


def fail(browser: Browser, name: str, path: str = LOGIN) -> str:
    field = "login" if path == LOGIN else "username"
    answer = browser.post(path, {field: name, "password": WRONG})
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("path", [LOGIN, ADMIN_LOGIN])
@pytest.mark.parametrize("name", ["alice", "ALICE", "alice@example.com", "ALICE@example.com"])
def test_a_failure_is_noted_on_the_account_in_any_case(alice: User, name: str, path: str) -> None:
    fail(Browser(), name, path)

    event = SecurityEvent.objects.get()
    assert (event.kind, event.user, event.ip_address) == (SecurityEvent.Kind.SIGN_IN_FAILED, alice, HOME)
    assert not SignIn.objects.exists()


def test_case_is_also_folded_beyond_ascii(make_user: Callable[..., User]) -> None:
    user = make_user("Ärger")
    fail(Browser(), "Ärger")

    assert SecurityEvent.objects.get().user == user


def test_what_was_typed_is_not_kept(alice: User) -> None:
    fail(Browser(), PASSWORD)  # into the wrong field
    fail(Browser(), "alice")

    for event in SecurityEvent.objects.values():
        assert not any(typed in str(event) for typed in (PASSWORD, WRONG))
    assert [event.user for event in SecurityEvent.objects.order_by("pk")] == [None, alice]


def test_who_exists_and_who_does_not_looks_the_same(alice: User) -> None:
    of_alice, of_nobody = (fail(Browser(), name).replace(name, "") for name in ("alice", "nobody"))

    csrf_token = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')
    assert csrf_token.sub("", of_alice) == csrf_token.sub("", of_nobody)
    assert "is not correct" in of_alice


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a" * 10_240, id="10 kB"),
        pytest.param("alice\x00", id="NUL"),
        pytest.param("' OR 1=1 --", id="SQL"),
        pytest.param("<script>alert(1)</script>", id="markup"),
        pytest.param("\N{CYRILLIC SMALL LETTER A}lice", id="looks alike"),
        pytest.param("", id="empty"),
    ],
)
@pytest.mark.parametrize("path", [LOGIN, ADMIN_LOGIN])
def test_nonsense_in_the_form_is_an_ordinary_failure(alice: User, name: str, path: str) -> None:
    page = fail(Browser(), name, path)

    assert "<script>alert" not in page
    assert not SecurityEvent.objects.filter(user=alice).exists()


def test_someone_who_is_no_staff_cannot_enter_the_admin(alice: User) -> None:
    answer = Browser().post(ADMIN_LOGIN, {"username": "alice", "password": PASSWORD})

    assert answer.status_code == 200
    assert "for a staff account" in answer.content.decode()
    assert not SignIn.objects.exists()


def test_who_is_no_staff_tries_passwords_there_no_more_than_elsewhere(alice: User) -> None:
    """A right password is refused like a wrong one, is counted like one, and leaves a trace."""
    said = []
    for password in (PASSWORD, WRONG, PASSWORD, WRONG, PASSWORD, PASSWORD):
        answer = Browser().post(ADMIN_LOGIN, {"username": "alice", "password": password})
        said.append("Too many sign-ins have failed" in answer.content.decode())

    assert said == [False] * 5 + [True]
    events = SecurityEvent.objects.filter(kind=SecurityEvent.Kind.SIGN_IN_FAILED, user=alice)
    assert events.count() == 5


def test_the_old_password_is_guessed_no_more_than_at_the_sign_in(alice: User, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"change_password": "100/m/user"}  # the other limit, on changes of a password
    browser = signed_in(alice)
    said: list[str] = []
    for old in (*[WRONG] * 5, PASSWORD):
        form = {"oldpassword": old, "password1": "another-horse-battery", "password2": "another-horse-battery"}
        said.append(browser.post("/accounts/password/change/", form).content.decode())

    assert ["That is not your current password" in text for text in said] == [True] * 5 + [False]
    assert "Too many sign-ins have failed" in said[-1]
    assert SecurityEvent.objects.filter(kind=SecurityEvent.Kind.SIGN_IN_FAILED, user=alice).count() == 5
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)


@pytest.mark.parametrize(("path", "field"), [(LOGIN, "login"), (ADMIN_LOGIN, "username")])
def test_after_five_failures_an_account_takes_no_attempt_for_five_minutes(admin: User, path: str, field: str) -> None:
    guesser = Browser(ip=ELSEWHERE)
    for _ in range(5):
        assert "Too many" not in fail(guesser, "admin", path)

    # Also with the right password, in another case, and from elsewhere.
    owner = Browser()
    refused = owner.post(path, {field: "ADMIN", "password": PASSWORD})
    assert refused.status_code == 200
    assert "Too many sign-ins have failed. Try again in a few minutes." in refused.content.decode()
    assert SecurityEvent.objects.count() == 5

    with later(minutes=5, seconds=1):
        assert owner.post(path, {field: "admin", "password": PASSWORD}).status_code == 302


@pytest.mark.parametrize("path", [LOGIN, ADMIN_LOGIN])
def test_the_limit_is_one_however_the_site_is_called(admin: User, settings: Settings, path: str) -> None:
    settings.ALLOWED_HOSTS = ["testserver", "localhost"]
    for host in ("testserver", "testSERVER", "testserver.", "testserver:80", "localhost"):
        assert "Too many" not in fail(Browser(ip=ELSEWHERE, host=host), "admin", path)

    assert "Too many" in fail(Browser(host="TestServer"), "admin", path)


def test_the_limit_does_not_tell_whose_an_address_is(alice: User) -> None:
    for _ in range(6):
        page = fail(Browser(ip=ELSEWHERE), "alice@example.com")
    assert "Too many" in page

    assert "Too many" not in fail(Browser(), "alice")


def test_the_limit_is_one_for_both_forms(admin: User) -> None:
    for path in (LOGIN, ADMIN_LOGIN, LOGIN, ADMIN_LOGIN, LOGIN):
        fail(Browser(), "admin", path)

    assert "Too many" in fail(Browser(), "admin", ADMIN_LOGIN)
    assert "Too many" in fail(Browser(), "admin", LOGIN)


def test_a_guesser_is_limited_over_all_accounts(alice: User) -> None:
    guesser = Browser(ip=ELSEWHERE)
    for n in range(10):
        assert "Too many" not in fail(guesser, f"person-{n}")

    assert "Too many" in fail(guesser, "person-10")
    Browser().sign_in(alice)


def test_signing_in_does_not_count_as_a_failure(alice: User) -> None:
    browser = Browser()
    for _ in range(8):
        browser.sign_in(alice)


def test_thirty_sign_ins_a_minute_from_one_address_meet_a_page_that_says_so(alice: User) -> None:
    with time_machine.travel(timezone.now(), tick=False) as now:
        for n in range(3):
            now.shift(timedelta(minutes=2 if n == 0 else 0))
            for _ in range(10):
                Browser().sign_in(alice)
        answer = Browser().post(LOGIN, {"login": "alice", "password": PASSWORD})

    assert answer.status_code == 429
    assert "Too many attempts" in answer.content.decode()
