"""A sign-in, a change of a password and their workflows touch the same few rows, however many there are."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from accounts.models import SecurityEvent, SignIn, User
from loginwatch.celery import app
from tests.accounts.browser import CHROME_ON_LINUX, COOKIE, ELSEWHERE, LOGIN, NO_MATCH, Browser, decide, found
from tests.accounts.test_password_changes import change_password
from tests.conftest import PASSWORD
from tests.growth.plans import Statement, assert_touched, explained
from tests.workflows.risk_service import risk_service
from workflows import password_steps, steps
from workflows.models import Run


def assert_little_was_touched(statements: list[Statement]) -> None:
    assert_touched(statements, rows=50, buffers=200)


@pytest.mark.parametrize("by", ["{}", "{}@example.com"])
def test_a_sign_in(person: User, by: str) -> None:
    browser = Browser()

    with explained() as statements:
        browser.post(LOGIN, {"login": by.format(person.username.upper()), "password": PASSWORD})

    assert browser.is_signed_in()
    assert_little_was_touched(statements)


@pytest.mark.parametrize("name", ["person-4711", "person-4711@example.com", "nobody"])
@pytest.mark.usefixtures("site")
def test_a_sign_in_that_fails(name: str) -> None:
    with explained() as statements:
        Browser().post(LOGIN, {"login": name, "password": "wrong"})

    assert SecurityEvent.objects.latest("pk").user == User.objects.filter(username=name.partition("@")[0]).first()
    assert_little_was_touched(statements)


def test_the_look_up_of_a_device_by_its_cookie(person: User) -> None:
    browser = Browser()
    decide(browser.sign_in(person))
    again = browser.sign_in(person)

    with explained() as statements:
        assert found(decide(again)) == COOKIE

    assert_little_was_touched(statements)


def test_the_look_up_of_a_device_without_a_cookie(person: User) -> None:
    stranger = Browser(CHROME_ON_LINUX, ELSEWHERE).sign_in(person)

    with explained() as statements:
        assert found(decide(stranger)) == NO_MATCH

    assert_little_was_touched(statements)


def test_a_workflow(person: User, settings: Settings) -> None:
    run = Run.objects.get(sign_in=Browser(CHROME_ON_LINUX, ELSEWHERE).sign_in(person))

    with risk_service() as service, explained() as statements:
        settings.RISK_API_URL = service.url
        for step in (steps.check_device, steps.notify_user, steps.save_event, steps.post_to_risk_api):
            step(run.pk)
        result = steps.post_process(run.pk)
        app.backend.store_result(f"{run.pk}.post_process", result, "SUCCESS")

    assert_little_was_touched(statements)
    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED


def test_a_change_of_a_password(person: User) -> None:
    browser = Browser()
    browser.sign_in(person)

    with explained() as statements:
        change_password(browser)

    assert_little_was_touched(statements)


def test_the_workflow_of_a_change_of_a_password(person: User) -> None:
    browser = Browser()
    browser.sign_in(person)
    change_password(browser)
    run = Run.objects.get(user=person, state=Run.State.QUEUED)

    with explained() as statements:
        for step in (password_steps.record, password_steps.notify_user):
            step(run.pk)
    assert_little_was_touched(statements)

    with explained() as statements:
        password_steps.end_other_sessions(run.pk)
        password_steps.post_process(run.pk)

    # Each of the person's sign-ins may have a session. An index leads to what was updated before too.
    sign_ins = SignIn.objects.filter(user=person).count()
    assert_touched(statements, rows=3 * sign_ins + 50, buffers=5 * sign_ins + 200)
    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED
