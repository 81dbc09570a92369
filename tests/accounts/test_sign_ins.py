"""A sign-in that worked: whichever way it came in, it is written down once, with its run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import sign_ins
from accounts.models import SecurityEvent, SignIn, User
from accounts.signals import sign_in_recorded
from tests.accounts.browser import FIREFOX_ON_LINUX, HOME, LOGIN, Browser
from tests.conftest import PASSWORD
from workflows.models import Run, Step
from workflows.steps import Name


@pytest.mark.parametrize("name", ["alice", "ALICE", "alice@example.com", "Alice@Example.COM", " alice "])
def test_a_person_signs_in_by_user_name_or_address_in_any_case(alice: User, name: str) -> None:
    browser = Browser()
    sign_in = browser.sign_in(alice, by=name)

    assert browser.is_signed_in()
    assert (sign_in.user, sign_in.ip_address, sign_in.user_agent) == (alice, HOME, FIREFOX_ON_LINUX)
    assert abs(sign_in.created_at - timezone.now()) < timedelta(seconds=10)


def test_what_is_found_out_later_is_empty_at_first(alice: User) -> None:
    sign_in = Browser().sign_in(alice)

    assert sign_in.device is None
    assert not any((sign_in.device_status, sign_in.device_reason, sign_in.browser, sign_in.os, sign_in.place))


def test_the_session_knows_its_sign_in_and_the_sign_in_its_session(alice: User) -> None:
    browser = Browser()
    sign_in = browser.sign_in(alice)

    assert browser.client.session[sign_ins.SESSION_KEY] == sign_in.pk
    assert browser.client.session.session_key == sign_in.session_key


def test_a_sign_in_has_one_run_of_five_waiting_steps(alice: User) -> None:
    sign_in = Browser().sign_in(alice)

    run = Run.objects.get()
    assert (run.sign_in, run.state) == (sign_in, Run.State.QUEUED)
    assert [step.name for step in run.steps.all()] == list(Name)
    assert {step.state for step in run.steps.all()} == {Step.State.WAITING}


def test_signing_in_through_the_admin_is_recorded_too(admin: User) -> None:
    browser = Browser()
    answer = browser.post("/admin/login/?next=/admin/", {"username": "Admin@Example.com", "password": PASSWORD})

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
    sign_in = SignIn.objects.get()
    assert (sign_in.user, sign_in.ip_address, sign_in.run.state) == (admin, HOME, Run.State.QUEUED)
    assert browser.cookie_of(admin)
    assert browser.get("/admin/").status_code == 200


def test_signing_in_by_code_is_recorded_though_there_is_no_address(alice: User, client: Client) -> None:
    client.force_login(alice)

    assert SignIn.objects.get().ip_address is None


def test_looking_at_pages_records_nothing(alice: User) -> None:
    browser = Browser()
    browser.sign_in(alice)
    browser.get("/security/")
    browser.get("/accounts/password/change/")

    assert SignIn.objects.count() == Run.objects.count() == 1


@pytest.fixture
def failing_listener() -> Iterator[None]:
    def fail(**kwargs: Any) -> None:
        raise RuntimeError("what listens is broken")

    sign_in_recorded.connect(fail)
    yield
    sign_in_recorded.disconnect(fail)


@pytest.mark.usefixtures("failing_listener")
def test_where_a_listener_fails_neither_sign_in_nor_run_is_written(alice: User) -> None:
    browser = Browser()
    with pytest.raises(RuntimeError, match="what listens is broken"):
        browser.sign_in(alice)

    assert not SignIn.objects.exists()
    assert not Run.objects.exists()
    assert browser.cookie_of(alice) == ""
    assert not browser.is_signed_in()


def test_recording_costs_three_statements_in_one_transaction(alice: User) -> None:
    request = RequestFactory().post(LOGIN)
    request.session = SessionStore()
    request.session.save()  # as Django has done by then
    with CaptureQueriesContext(
        connection,
    ) as written:
        sign_ins.record_sign_in(request, alice)

    statements = [query["sql"].split()[0] for query in written]
    # On PostgreSQL the run's are prepared, once for each connection.
    run = "EXECUTE" if connection.vendor == "postgresql" else "INSERT"
    assert [each for each in statements if each != "PREPARE"] == ["SAVEPOINT", "INSERT", run, run, "RELEASE"]


def test_every_listener_of_django_s_signal_hears_of_a_sign_in_once(alice: User) -> None:
    heard: list[User] = []

    def listen(user: User, **kwargs: Any) -> None:
        heard.append(user)

    user_logged_in.connect(listen)
    try:
        Browser().sign_in(alice)
    finally:
        user_logged_in.disconnect(listen)

    assert heard == [alice]
    assert SignIn.objects.count() == 1


def test_signing_out_ends_the_session_and_records_no_sign_in(alice: User) -> None:
    browser = Browser()
    browser.sign_in(alice)
    browser.post("/accounts/logout/", {})

    assert not browser.is_signed_in()
    assert SignIn.objects.count() == 1
    assert not SecurityEvent.objects.exists()


def test_after_a_change_of_password_the_session_lives_on_under_a_key_that_the_sign_in_knows(alice: User) -> None:
    browser, elsewhere = Browser(), Browser(ip="198.51.100.7")
    sign_in = browser.sign_in(alice)
    elsewhere.sign_in(alice)

    new = "another-horse-battery"
    answer = browser.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert answer.status_code == 302

    assert browser.is_signed_in()
    assert not elsewhere.is_signed_in()
    before, sign_in = sign_in, SignIn.objects.get(pk=sign_in.pk)
    assert sign_in.session_key == browser.client.session.session_key != before.session_key


def test_an_account_that_was_closed_gets_a_clear_answer_and_no_sign_in(alice: User) -> None:
    User.objects.update(is_active=False)
    answer = Browser().post(LOGIN, {"login": "alice", "password": PASSWORD})

    assert (answer.status_code, answer.headers["Location"]) == (302, "/accounts/inactive/")
    assert not SignIn.objects.exists()
