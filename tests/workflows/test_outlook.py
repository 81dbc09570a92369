"""What a run tells of what will happen: when a mail that follows is tried, and until when a verdict is waited for."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import notices
from accounts.models import Notice, User
from tests.pages.browsing import page_of, signed_in
from tests.workflows.celery_rows import step_of
from workflows import ledger
from workflows.ledger import TryAgain
from workflows.models import Run, Step
from workflows.presentation.words import MAIL_FOLLOWS

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def clock(at: datetime) -> str:
    return f"{timezone.localtime(at):%H:%M:%S} UTC"


def day(at: datetime) -> str:
    return f"{at.day} {timezone.localtime(at):%b, %H:%M} UTC"


def is_at(told: str, at: datetime) -> bool:
    """JSON has milliseconds."""
    return abs(datetime.fromisoformat(told) - at) < timedelta(milliseconds=1)


def hand_over(run: Run, **fields: Any) -> Notice:
    """As the step does where the mail server is away; the run has ended since."""
    step = {"state": Step.State.SUCCEEDED, "result": {"notice": "handed_over", "id": 1, "error": "at first"}}
    run.steps.filter(name="notify_user").update(**step)
    Run.objects.filter(pk=run.pk).update(state=Run.State.DEGRADED, finished_at=timezone.now())
    notice = Notice.objects.create(sign_in=run.sign_in, message_id="<1@testserver>", created_at=timezone.now() - HOUR)
    notices.hand_over(notice, "[Errno 111] Connection refused")
    Notice.objects.filter(pk=notice.pk).update(**fields)
    notice.refresh_from_db()
    return notice


def shown(run: Run, user: User, step: str) -> str:
    return page_of(signed_in(user), reverse("workflows:run", args=[run.pk]) + f"?step={step}").text


def told(run: Run, user: User) -> dict[str, Any]:
    answer: dict[str, Any] = signed_in(user).get(reverse("workflows:run-json", args=[run.pk])).json()
    return answer


def in_a_terminal(run: Run) -> str:
    out = StringIO()
    call_command("run", str(run.pk), stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("attempts", "due_in", "says"),
    [
        (0, 3 * MINUTE, "Later attempts: none so far, the next at {due}, the last by {until}."),
        (7, HOUR, "Later attempts: 7 so far, the next at {due}, the last by {until}."),
        (7, -MINUTE, "Later attempts: 7 so far, the next due since {due}, the last by {until}."),
        (26, 24 * HOUR, "Later attempts: 26 so far, and no more: they were to be made until {until}."),
    ],
)
def test_a_mail_that_follows_tells_how_often_and_when_it_is_tried(
    run: Run, alice: User, admin: User, attempts: int, due_in: timedelta, says: str
) -> None:
    notice = hand_over(run, attempts=attempts, next_attempt_at=timezone.now() + due_in)
    due, until = notice.next_attempt_at, notice.created_at + 24 * HOUR
    assert due
    says = says.format(due=clock(due), until=day(until))
    for user in (alice, admin):
        # With the run, whatever step is looked at, and with its own.
        assert f"{MAIL_FOLLOWS} {says}" in shown(run, user, "save_event")
        assert shown(run, user, "notify_user").count(says) == 2
        assert told(run, user)["steps"][1]["outlook"] == says
    assert f"│  │     next    {says}" in in_a_terminal(run)
    answer = told(run, alice)["notice"]
    assert (answer["attempts"], answer["state"]) == (attempts, "handed_over")
    assert is_at(answer["next_attempt_at"], due) and is_at(answer["tried_until"], until)


@pytest.mark.parametrize("state", [Notice.State.SENT, Notice.State.GIVEN_UP])
def test_a_mail_that_follows_no_more_has_no_outlook(run: Run, alice: User, state: Notice.State) -> None:
    hand_over(run, state=state, next_attempt_at=None)
    assert "Later attempts" not in shown(run, alice, "notify_user") and "Later attempts" not in in_a_terminal(run)
    assert (told(run, alice)["notice"]["state"], told(run, alice)["steps"][1]["outlook"]) == (state, "")


def wait_for_verdict(run: Run, *, since: datetime) -> Step:
    """As the step does where the risk service does not answer."""
    run.steps.exclude(name__startswith="post").update(state=Step.State.SUCCEEDED)

    def act(step: Step) -> dict[str, Any]:
        raise TryAgain("503", 60)

    with pytest.raises(TryAgain):
        ledger.outside(run.pk, "post_to_risk_api", act, lease=ledger.LEASE)
    run.steps.filter(name="post_to_risk_api").update(started_at=since)
    return step_of(run, "post_to_risk_api")


@pytest.mark.parametrize(
    ("policy", "enforce", "then"),
    [
        ("allow", "enforce", "nothing is done about the sign-in"),
        ("flag", "enforce", "the sign-in is flagged for the operators"),
        ("end_session", "enforce", "its session is ended"),
        ("end_session", "report", "the sign-in is flagged for the operators"),
    ],
)
def test_a_step_that_waits_for_a_verdict_tells_until_when_and_what_then(
    run: Run, alice: User, admin: User, settings: Settings, policy: str, enforce: str, then: str
) -> None:
    settings.LOGINWATCH_NO_VERDICT, settings.LOGINWATCH_ENFORCE = policy, enforce
    settings.RISK_API_BUDGET = 6 * 3600.0
    since = timezone.now() - HOUR
    wait_for_verdict(run, since=since)
    until = since + 6 * HOUR
    says = f"The risk service is asked until {day(until)}; without a verdict then, the run fails and {then}."
    for user in (alice, admin):
        assert says in shown(run, user, "")
        post = told(run, user)["steps"][3]
        assert post["outlook"] == says and is_at(post["asked_until"], until)
    assert f"│     next    {says}" in in_a_terminal(run)


def test_a_risk_service_whose_time_is_over_is_asked_for_the_last_time(run: Run, settings: Settings) -> None:
    settings.RISK_API_BUDGET = 3600.0
    wait_for_verdict(run, since=timezone.now() - 2 * HOUR)
    assert "The risk service is asked for the last time; without a verdict then, the run fails" in in_a_terminal(run)


def test_a_verdict_that_is_not_waited_for_has_no_outlook(run: Run, alice: User) -> None:
    step = wait_for_verdict(run, since=timezone.now())
    for state in (Step.State.SUCCEEDED, Step.State.FAILED, Step.State.SKIPPED):
        Step.objects.filter(pk=step.pk).update(state=state)
        assert told(run, alice)["steps"][3]["outlook"] == ""
    # Of a run that was cancelled, and of one whose step is at its first attempt.
    Step.objects.filter(pk=step.pk).update(state=Step.State.WAITING)
    Run.objects.filter(pk=run.pk).update(state=Run.State.CANCELLED)
    assert told(run, alice)["steps"][3]["outlook"] == ""
    Run.objects.filter(pk=run.pk).update(state=Run.State.RUNNING)
    Step.objects.filter(pk=step.pk).update(state=Step.State.RUNNING, error="")
    post = told(run, alice)["steps"][3]
    assert (post["outlook"], post["asked_until"]) == ("", None)
