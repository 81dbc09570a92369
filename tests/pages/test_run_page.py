"""The page of one run: its canvas, its times, its steps, Celery's results, and its error callbacks."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_results.models import TaskResult
from pytest_django import DjangoAssertNumQueries

from accounts.models import SignIn, User
from tests.markup import Page, words
from tests.pages.browsing import assert_well_made, page_of, signed_in
from tests.workflows.celery_rows import keep_results, step_of, store, store_children
from workflows import callbacks, ledger
from workflows.models import Attempt, CallbackCall, Run, Step
from workflows.presentation.celery_results import groups_of
from workflows.results.walk import walk
from workflows.runs import create_run

STEPS = ["check_device", "notify_user", "save_event", "post_to_risk_api", "post_process"]


@pytest.fixture
def run(alice: User) -> Run:
    return create_run(SignIn.objects.create(user=alice, issued_token="a token"))


def address_of(run: Run, step: str = "") -> str:
    return reverse("workflows:run", args=[run.pk]) + (f"?step={step}" if step else "")


def shown(run: Run, user: User, step: str = "") -> Page:
    page = page_of(signed_in(user), address_of(run, step))
    assert_well_made(page)
    return page


def nodes(page: Page) -> list[tuple[str, str]]:
    """Where each box of a drawing leads, and what is read out."""
    return [(e.attributes["href"], e.attributes["aria-label"]) for e in page.elements
            if e.attributes.get("class", "").startswith("node ")]  # fmt: skip


def of_id(page: Page, name: str) -> str:
    return words(next(e.text for e in page.elements if e.attributes.get("id") == name))


def section(page: Page, heading: str) -> str:
    return words(page.find("section", aria_labelledby=heading).text)


def test_the_canvas_is_drawn_with_a_link_to_each_step(run: Run, alice: User) -> None:
    page = shown(run, alice)
    assert [href for href, _ in nodes(page)] == [f"?step={name}#step" for name in STEPS] * 2
    labels = [label for _, label in nodes(page)][:5]
    assert labels[0] == "Check the device: waiting. Stage 1 of 4."
    assert labels[1] == "Notify the user: waiting. Stage 2 of 4, at the same time as: save the event."
    assert len([e for e in page.elements if e.tag == "svg" and "graph" in e.attributes["class"]]) == 2


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_selected_by_its_link(run: Run, alice: User, name: str) -> None:
    page = shown(run, alice, name)
    assert f"Name {name} Queue" in section(page, "step")
    current = [e.attributes["href"] for e in page.elements if e.attributes.get("aria-current") == "true"]
    assert current == [f"?step={name}#step"] * 2
    # While it moves, the page goes on showing this step.
    assert f"step={name}" in page.find("div", id="run-poll").attributes["hx-get"]


def test_the_step_that_tells_most_is_selected_where_none_is_asked_for(run: Run, alice: User) -> None:
    def selected() -> str:
        return of_id(shown(run, alice), "step")

    assert selected() == "Check the device"
    run.steps.exclude(name__startswith="post").update(state=Step.State.SUCCEEDED)
    assert selected() == "Save the event"
    run.steps.filter(name="post_process").update(state=Step.State.RUNNING)
    assert selected() == "Act on the verdict"
    run.steps.filter(name="notify_user").update(state=Step.State.RETRYING)
    assert selected() == "Notify the user"
    run.steps.filter(name="post_to_risk_api").update(state=Step.State.FAILED)
    assert selected() == "Ask the risk service"


@pytest.mark.parametrize("view", ["workflows:run", "workflows:run-panel"])
def test_a_step_that_the_run_does_not_have_is_not_found(run: Run, alice: User, view: str) -> None:
    address = reverse(view, args=[run.pk])
    assert signed_in(alice).get(address, {"step": "no_such_step", "of": "page"}).status_code == 404


@pytest.mark.parametrize("view", ["workflows:run", "workflows:run-panel", "workflows:run-json"])
def test_an_unknown_run_is_not_found(alice: User, admin: User, view: str) -> None:
    address = reverse(view, args=[uuid.uuid4()])
    assert [signed_in(user).get(address).status_code for user in (alice, admin)] == [404, 404]
    assert signed_in(alice).get("/runs/nonsense/").status_code == 404


def test_an_attempt_is_told_with_its_error_and_when_the_next_is(run: Run, alice: User, admin: User) -> None:
    later = timezone.now() + timedelta(minutes=3)
    step = step_of(run, "notify_user")
    retrying = {"state": Step.State.RETRYING, "attempts": 1, "leased_until": later, "error": "[Errno 111]"}
    Step.objects.filter(pk=step.pk).update(**retrying)
    Attempt.objects.create(step=step, number=1, outcome="put_off", began_at=run.created_at, ended_at=run.created_at,
                           next_at=later, error="[Errno 111]")  # fmt: skip
    moment = f"{timezone.localtime(later):%H:%M:%S}"
    for user, error in ((admin, "[Errno 111]"), (alice, "The mail server did not answer; it will be tried again.")):
        text = section(shown(run, user), "step")
        assert f"It waits to be tried again until {moment} UTC." in text
        assert f"put off {error} {moment} UTC" in text
    assert "[Errno 111]" not in shown(run, alice).html


def test_each_call_of_an_error_callback_is_told(run: Run, alice: User) -> None:
    assert "None was called." in section(shown(run, alice), "callbacks")
    ledger.fail_step(run.pk, "notify_user", "x")
    for level in (CallbackCall.Level.MEMBER, CallbackCall.Level.GROUP, CallbackCall.Level.GROUP):
        callbacks.note_call(run.pk, level, ["notify_user"])
    text = section(shown(run, alice), "callbacks")
    assert "A member of the group Notify the user It failed for good" in text
    assert "2 times, counted once" in text


def test_how_often_it_was_published_healed_and_resumed(run: Run, alice: User) -> None:
    Run.objects.filter(pk=run.pk).update(published=4, healed=2, resumed=1)
    text = section(shown(run, alice), "facts")
    assert "Published 4 times Healed 2 times: recovery published it again Resumed 1 time" in text


def test_celerys_result_stands_beside_the_ledgers(run: Run, alice: User, admin: User) -> None:
    keep_results(run)
    step = step_of(run, "save_event")
    Step.objects.filter(pk=step.pk).update(state=Step.State.SUCCEEDED, result={"event": 7})
    store(step, {"event": 7})
    text = section(shown(run, alice, "save_event"), "step")
    assert 'The ledger: succeeded { "event": 7 } Celery: SUCCESS { "event": 7 }' in text
    assert "They and the ledger agree." in section(shown(run, alice), "facts")
    store_failure(step)
    for user in (alice, admin):
        page = shown(run, user, "save_event")
        assert "Celery says FAILURE, the ledger says succeeded. The ledger counts." in section(page, "step")
        assert "Save the event: Celery says FAILURE" in section(page, "facts")
        assert ("/srv/secret.py" in page.html, "NameError" in page.html) == (user.is_staff, user.is_staff)
    answer = signed_in(alice).get(reverse("workflows:run-json", args=[run.pk])).content.decode()
    assert "/srv/secret.py" not in answer and "NameError" not in answer


def test_celerys_group_and_what_each_result_came_after_and_published_are_told(run: Run, alice: User) -> None:
    keep_results(run)
    (group,) = groups_of(walk(run.results))
    store(step_of(run, "check_device"), {"device": 1})
    store_children(step_of(run, "check_device"), [[[group.id, None], []], [["somewhere-else", None], None]])
    store(step_of(run, "save_event"), {"event": 7})
    check = shown(run, alice, "check_device")
    assert f"It begins the canvas. Published: the group, somewhere-else. {run.pk}.check_device" in section(
        check, "step"
    )
    assert "After check the device, in the group." in section(shown(run, alice, "notify_user"), "step")
    post = shown(run, alice, "post_to_risk_api")
    assert "After the group." in section(post, "step")
    assert (
        f"group PENDING, 1 of 2 completed: notify the user (nothing stored), save the event (SUCCESS) {group.id}"
    ) in section(post, "facts")
    for page in (check, post):
        assert f"#{group.id}" in page.values("href") and group.id in page.values("id")
    links = [e.attributes["href"] for e in post.elements if e.tag == "a" and words(e.text) == "save the event"]
    assert links == ["?step=save_event#step"]


@pytest.mark.parametrize("step", STEPS)
def test_a_page_asks_for_each_of_celerys_results_once(
    run: Run, alice: User, step: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    keep_results(run)
    client = signed_in(alice)
    # The session, the person, a glance; the run, its steps, attempts and callbacks; and the five results.
    with django_assert_num_queries(12):
        client.get(address_of(run, step))


def store_failure(step: Step) -> None:
    row = TaskResult.objects.filter(task_id=step.task_id)
    error = '{"exc_type": "NameError", "exc_message": ["x"], "exc_module": "builtins"}'
    row.update(status="FAILURE", result=error, traceback="File /srv/secret.py")


@pytest.mark.parametrize("user", ["alice", "admin"])
def test_a_result_that_does_not_decode_is_shown_as_such(run: Run, user: str, request: pytest.FixtureRequest) -> None:
    keep_results(run)
    step = step_of(run, "check_device")
    store(step, {"device": 1})
    TaskResult.objects.filter(task_id=step.task_id).update(result='{"cut', content_type="application/x-of-tomorrow")
    person: User = request.getfixturevalue(user)
    assert "What is stored of it does not decode." in section(shown(run, person, "check_device"), "step")
    assert ("application/x-of-tomorrow" in shown(run, person, "check_device").html) == person.is_staff
    answer = signed_in(person).get(reverse("workflows:run-json", args=[run.pk])).json()
    assert answer["steps"][0]["celery"]["problem"] == "what is stored of it does not decode"


@pytest.mark.parametrize("kept", ["garbage", 7, [["x"]], {"a": 1}, None])
def test_a_run_that_keeps_no_result_of_celerys_has_its_page(run: Run, alice: User, kept: object) -> None:
    Run.objects.filter(pk=run.pk).update(results=kept)
    page = shown(run, alice)
    problem = "is no result of Celery's." if kept else "It was not published"
    assert problem in section(page, "facts") and problem in section(page, "step")
    assert signed_in(alice).get(reverse("workflows:run-json", args=[run.pk])).status_code == 200


def test_a_run_of_no_sign_in_is_for_its_user_and_for_staff(run: Run, alice: User, bob: User, admin: User) -> None:
    Run.objects.filter(pk=run.pk).update(sign_in=None, user=bob, facts={"password_change": 3})
    for view in ("workflows:run", "workflows:run-panel", "workflows:run-json"):
        address = reverse(view, args=[run.pk])
        assert [signed_in(user).get(address).status_code for user in (bob, admin, alice)] == [200, 200, 404]
    page = shown(run, bob)
    assert "Password_change 3" in section(page, "about")
    assert "alice" not in page.text


def test_a_run_of_a_kind_that_is_no_more_has_its_page(run: Run, alice: User) -> None:
    Run.objects.filter(pk=run.pk).update(kind="of_another_version")
    page = shown(run, alice)
    assert page.find("h1").text == "What happened after a of_another_version"
    assert next(label for _, label in nodes(page)) == "Check_device: waiting. Stage 1 of 4."


def test_the_panel_moves_all_that_the_page_shows(run: Run, alice: User) -> None:
    client = signed_in(alice)
    page = page_of(client, address_of(run, "save_event"))
    asking = page.find("div", id="run-poll").attributes["hx-get"]
    ledger.fail_step(run.pk, "check_device", "x")
    long_ago = timezone.now() - timedelta(minutes=5)
    Run.objects.filter(pk=run.pk).update(finished_at=long_ago)
    run.steps.update(finished_at=long_ago)
    answer = page_of(client, asking, headers={"HX-Request": "true"})
    assert answer.faults == []
    moved = [e.attributes["id"] for e in answer.elements if e.attributes.get("hx-swap-oob") == "true"]
    assert moved == ["run-panel", "run-times"]
    assert of_id(answer, "step") == "Save the event"
    # htmx would take one for that of the page.
    assert not any(e.tag == "title" for e in answer.elements)
    assert "The run has ended: failed." in of_id(answer, "run-announcement")
    assert "hx-get" not in answer.find("div", id="run-poll").attributes


def test_hostile_words_of_a_page_that_asks_stay_words(run: Run, alice: User) -> None:
    hostile = {"seen": '"><script>', "was": "<b>", "every": "x", "of": "\"'><svg onload=x>", "beside": "<i>"}
    response = signed_in(alice).get(reverse("workflows:run-panel", args=[run.pk]), hostile)
    assert response.status_code == 200
    assert not re.search("<script>|<b>|<i>|onload=x>", response.content.decode())


def test_nobody_sees_a_run_without_signing_in(run: Run) -> None:
    assert Client().get(address_of(run)).status_code == 302


def test_times_are_told_one_by_one(run: Run, alice: User) -> None:
    began = run.created_at
    times = {"started_at": began + timedelta(seconds=1), "attempted_at": began + timedelta(seconds=1)}
    run.steps.filter(name="check_device").update(
        state=Step.State.SUCCEEDED, attempts=1, finished_at=began + timedelta(seconds=3), **times
    )
    page = shown(run, alice)
    text = words(page.find("table", id="run-times").text)
    assert "Check the device Queued 0 ms 1.0 s Check the device Attempt 1, done 1.0 s 2.0 s" in text
    assert "Check the device Waited 1.0 s, ran 2.0 s." in section(page, "timeline")
    assert "Act on the verdict Its turn has not come." in section(page, "timeline")
