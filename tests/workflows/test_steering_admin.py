"""Steering many runs at once, from the admin's list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from accounts.models import SecurityEvent, User
from tests.markup import Page
from tests.workflows.conftest import make_run as make_run  # the fixture
from workflows import ledger
from workflows.models import Run, Step
from workflows.steering import admin as steering_admin
from workflows.steps import Name

URL = "/admin/workflows/run/"
ASK = Name.POST_TO_RISK_API


@pytest.fixture
def operator(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture
def failed(make_run: Callable[..., Run]) -> list[Run]:
    runs = [make_run() for _ in range(3)]
    for run in runs:
        ledger.fail_step(run.pk, ASK, "it refuses")
    return runs


def choose(client: Client, action: str, runs: list[Run], query: str = "", **more: Any) -> Any:
    data = {"action": action, "index": "0", "select_across": "0", "_selected_action": [run.pk for run in runs]}
    return client.post(f"{URL}{query}", data | more)


def confirm(client: Client, response: Any, query: str = "", **more: str) -> list[str]:
    """Send the form of the page that asks; what the list says then."""
    page = Page(response.content.decode())
    data: dict[str, Any] = {}
    for e in page.elements:
        if e.tag == "input" and e.attributes.get("type") == "hidden":
            data.setdefault(e.attributes["name"], []).append(e.attributes["value"])
    listed = client.post(f"{URL}{query}", data | more, follow=True)
    assert listed.status_code == 200
    return [str(message) for message in listed.context["messages"]]


def states() -> Counter[str]:
    """Of alice's runs: who is signed in to the admin has one too."""
    return Counter(Run.objects.filter(sign_in__user__username="alice").values_list("state", flat=True))


def test_what_is_ticked_is_acted_on_after_a_page_has_asked(operator: Client, failed: list[Run]) -> None:
    asked = choose(operator, "resume_runs", failed[:2])
    text = Page(asked.content.decode()).text
    assert "2 runs are selected" in text and "failed: 2" in text
    assert states() == {"failed": 3}

    assert confirm(operator, asked) == ["2 runs resumed."]
    assert states() == {"queued": 2, "failed": 1}
    events = SecurityEvent.objects.filter(kind=SecurityEvent.Kind.RUN_STEERED)
    assert {event.details["run"] for event in events} == {str(run.pk) for run in failed[:2]}


def test_all_that_the_filter_matches_is_acted_on(
    operator: Client, failed: list[Run], make_run: Callable[..., Run]
) -> None:
    make_run()
    query = "?state__exact=failed"
    asked = choose(operator, "cancel_runs", failed[:1], query, select_across="1")
    assert "3 runs are selected: all that the list matches" in Page(asked.content.decode()).text

    assert confirm(operator, asked, query) == ["3 runs cancelled."]
    assert states() == {"cancelled": 3, "queued": 1}


def test_one_refusal_does_not_hinder_the_others_and_is_told_with_its_reason(
    operator: Client, failed: list[Run]
) -> None:
    Run.objects.filter(pk=failed[0].pk).update(state=Run.State.SUCCEEDED)
    asked = choose(operator, "resume_runs", failed)
    Run.objects.filter(pk=failed[1].pk).update(state=Run.State.QUEUED, resumed=1)

    assert confirm(operator, asked) == [
        "1 run resumed.",
        "1 run refused: The run goes on already: somebody has resumed it.",
        "1 run refused: The run has ended (succeeded): there is nothing left to do.",
    ]


def test_a_step_is_skipped_that_the_page_was_told(operator: Client, failed: list[Run]) -> None:
    asked = choose(operator, "skip_runs", failed)
    page = Page(asked.content.decode())
    assert [e.attributes["value"] for e in page.elements if e.tag == "option"][:3] == ["", "notify_user", ASK]

    assert confirm(operator, asked, step=ASK) == ["3 runs gone on with, without the step."]
    assert set(Step.objects.filter(name=ASK, run__in=failed).values_list("state", flat=True)) == {Step.State.SKIPPED}


@pytest.mark.parametrize("step", ["", "check_device", "no_such_step"])
def test_without_a_step_that_may_be_skipped_it_asks_again(operator: Client, failed: list[Run], step: str) -> None:
    again = choose(operator, "skip_runs", failed, confirmed="3", step=step)

    assert "Step to skip" in again.content.decode()
    assert states() == {"failed": 3}


def test_what_waits_for_a_retry_is_tried_at_once(operator: Client, failed: list[Run]) -> None:
    retrying, *others = failed
    Run.objects.filter(pk=retrying.pk).update(state=Run.State.RETRYING)
    retrying.steps.filter(name=ASK).update(state=Step.State.RETRYING)

    told = confirm(operator, choose(operator, "retry_runs", [retrying, *others]))
    assert told == ["1 run tried again.", "2 runs refused: No step of the run waits to be tried again."]


def test_more_runs_than_a_request_takes_up_are_refused_with_the_way_that_there_is(
    operator: Client, failed: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steering_admin, "MOST_RUNS", 2)

    (message,) = get_messages(choose(operator, "resume_runs", failed, confirmed="3").wsgi_request)

    assert "More than 2 runs are selected" in str(message)
    assert "manage.py recover --failed" in str(message)
    assert states() == {"failed": 3}


def test_what_time_was_not_for_is_told(operator: Client, failed: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = choose(operator, "resume_runs", failed)
    monkeypatch.setattr(steering_admin, "LONGEST", -1.0)

    assert confirm(operator, asked)[-1].startswith("3 runs not reached in the time of one request.")


def test_a_filter_that_matches_more_than_was_asked_about_is_asked_about_again(
    operator: Client, failed: list[Run]
) -> None:
    again = choose(operator, "resume_runs", failed, "?state__exact=failed", confirmed="2", select_across="1")

    assert "3 runs are selected" in again.content.decode()
    assert states() == {"failed": 3}


@pytest.mark.parametrize("confirmed", ["yes", "-1", "²", "9" * 5000, ""])
def test_a_confirmation_that_is_none_is_asked_for_again(operator: Client, failed: list[Run], confirmed: str) -> None:
    assert choose(operator, "cancel_runs", failed, confirmed=confirmed).status_code == 200
    assert states() == {"failed": 3}


def test_what_is_no_run_is_a_bad_request(operator: Client, failed: list[Run]) -> None:
    answer = operator.post(URL, {"action": "cancel_runs", "index": "0", "_selected_action": ["1 OR 1=1"]})

    assert answer.status_code == 400


def test_staff_are_offered_only_what_they_may_do(
    client: Client, make_user: Callable[..., User], failed: list[Run]
) -> None:
    carol = make_user("carol", is_staff=True)
    carol.user_permissions.set(Permission.objects.filter(codename__in=["view_run", "resume_run"]))
    client.force_login(carol)

    listed = client.get(reverse("admin:workflows_run_changelist")).content.decode()
    assert 'value="resume_runs"' in listed
    assert all(f'value="{action}"' not in listed for action in ("skip_runs", "cancel_runs", "retry_runs"))

    choose(client, "cancel_runs", failed, confirmed="3")
    assert states() == {"failed": 3}
