"""Steering on a run's page: who is offered what, what is asked before, what is told after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import SecurityEvent, User
from tests.markup import Page
from tests.pages.browsing import assert_well_made
from workflows import ledger
from workflows.models import Run, Step
from workflows.steering.actions import PERMISSIONS, Action
from workflows.steps import Name

ASK = Name.POST_TO_RISK_API


@pytest.fixture
def operator(make_user: Callable[..., User]) -> Callable[..., Client]:
    """A browser of somebody who may do these to runs."""

    def make(*actions: Action, is_staff: bool = True) -> Client:
        user = make_user("carol", is_staff=is_staff)
        codes = [PERMISSIONS[action].partition(".")[2] for action in actions]
        user.user_permissions.set(Permission.objects.filter(codename__in=codes))
        return browser_of(user)

    return make


@pytest.fixture
def failed(run: Run) -> Run:
    ledger.fail_step(run.pk, ASK, "it <refuses>")
    run.refresh_from_db()
    return run


@pytest.fixture
def retrying(run: Run) -> Run:
    run.steps.filter(name=ASK).update(state=Step.State.RETRYING, leased_until=timezone.now() + timedelta(hours=1))
    Run.objects.update(state=Run.State.RETRYING)
    return run


def browser_of(user: User, *, strict: bool = False) -> Client:
    client = Client(enforce_csrf_checks=strict)
    client.force_login(user)
    return client


def address(run: Run | UUID, action: Action, step: str = ASK) -> str:
    run_id = run.pk if isinstance(run, Run) else run
    of_step = action in (Action.RETRY, Action.SKIP)
    return reverse(f"workflows:{action}", args=[run_id, step] if of_step else [run_id])


def offered(client: Client, run: Run) -> set[str]:
    response = client.get(reverse("workflows:run", args=[run.pk]))
    assert response.status_code == 200
    page = Page(response.content.decode())
    assert_well_made(page)
    return {e.text for e in page.elements if e.tag == "a" and e.attributes.get("class") == "quiet-button"}


def told(client: Client, url: str) -> str:
    """What the run's page says after it was done, or refused."""
    response = client.post(url)
    assert (response.status_code, response.headers["Location"]) == (302, url[: url.index("/", 6) + 1])
    (message,) = get_messages(response.wsgi_request)
    return str(message)


def test_an_operator_is_offered_what_the_run_allows_as_it_stands(operator: Callable[..., Client], failed: Run) -> None:
    client = operator(*Action)
    assert offered(client, failed) == {
        "Resume the run", "Skip: notify the user", "Skip: ask the risk service", "Cancel the run",
    }  # fmt: skip

    Run.objects.update(state=Run.State.CANCELLED)
    assert offered(client, failed) == {"Run again what was left out"}

    Run.objects.update(state=Run.State.SUCCEEDED)
    failed.steps.update(state=Step.State.SUCCEEDED)
    assert offered(client, failed) == set()


def test_a_retry_that_waits_can_be_brought_forward(operator: Callable[..., Client], retrying: Run) -> None:
    client = operator(Action.RETRY)
    assert offered(client, retrying) == {"Try again now: ask the risk service"}

    assert told(client, address(retrying, Action.RETRY)) == "The step is tried again: ask the risk service."


@pytest.mark.parametrize("action", Action)
def test_staff_without_the_permission_see_no_such_button_and_may_not(
    operator: Callable[..., Client], failed: Run, retrying: Run, action: Action
) -> None:
    run = retrying if action is Action.RETRY else failed
    if action is Action.RUN_AGAIN:
        Run.objects.update(state=Run.State.CANCELLED)
    client = operator(*set(Action) - {action})

    assert not any(label.startswith(words(action)) for label in offered(client, run))
    before = Run.objects.values().get(pk=run.pk)
    assert client.get(address(run, action)).status_code == 403
    assert client.post(address(run, action)).status_code == 403
    assert Run.objects.values().get(pk=run.pk) == before


def words(action: Action) -> str:
    named = {Action.RETRY: "Try again now", Action.SKIP: "Skip", Action.RUN_AGAIN: "Run again"}
    return named.get(action, action.capitalize())


@pytest.mark.parametrize("action", Action)
def test_who_is_not_staff_steers_neither_their_own_run_nor_anothers(
    alice: User, bob: User, failed: Run, action: Action
) -> None:
    for user in (alice, bob):
        user.user_permissions.set(Permission.objects.all())
    own, foreign = browser_of(alice), browser_of(bob)

    assert offered(own, failed) == set()
    for send in ("get", "post"):
        assert getattr(own, send)(address(failed, action)).status_code == 403
        assert getattr(foreign, send)(address(failed, action)).status_code == 404
    assert not SecurityEvent.objects.filter(kind=SecurityEvent.Kind.RUN_STEERED).exists()


@pytest.mark.parametrize("action", Action)
def test_who_is_not_signed_in_is_asked_to(failed: Run, action: Action) -> None:
    for response in (Client().get(address(failed, action)), Client().post(address(failed, action))):
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("action", Action)
def test_a_run_or_a_step_that_is_not_there_is_not_found(admin: User, failed: Run, action: Action) -> None:
    client = browser_of(admin)
    unknown = [address(uuid4(), action)]
    if action in (Action.RETRY, Action.SKIP):
        unknown.append(address(failed, action, "no_such_step"))
    for url in unknown:
        assert (client.get(url).status_code, client.post(url).status_code) == (404, 404)


def test_before_anything_is_done_a_page_says_what_will_happen_and_to_which_run_and_step(
    admin: User, failed: Run
) -> None:
    client = browser_of(admin)
    response = client.get(address(failed, Action.SKIP))
    page = Page(response.content.decode())

    assert response.status_code == 200
    assert_well_made(page)
    assert page.find("h1").text == "Skip this step?"
    for said in (str(failed.pk), "alice (alice@example.com)", "Ask the risk service", "it <refuses>"):
        assert said in page.text
    assert "the run goes on without it" in page.text
    assert page.find("button").text if False else True
    failed.refresh_from_db()
    assert failed.state == Run.State.FAILED


def test_what_is_refused_is_told_before_and_after(admin: User, run: Run) -> None:
    Run.objects.update(state=Run.State.SUCCEEDED)
    client = browser_of(admin)

    response = client.get(address(run, Action.RESUME))
    page = Page(response.content.decode())
    assert response.status_code == 409
    assert_well_made(page)
    assert "The run has ended (succeeded): there is nothing left to do." in page.find("p", role="alert").text
    assert "post" not in [
        e.attributes.get("method") for e in page.elements if "resume" in e.attributes.get("action", "")
    ]

    assert told(client, address(run, Action.RESUME)).startswith("The run has ended (succeeded)")


@pytest.mark.parametrize(
    ("action", "state", "says"),
    [
        (Action.RESUME, Run.State.QUEUED, "The run goes on from what failed."),
        (Action.SKIP, Run.State.QUEUED, "The step was skipped: ask the risk service. The run goes on."),
        (Action.CANCEL, Run.State.CANCELLED, "The run was cancelled."),
        (Action.RUN_AGAIN, Run.State.QUEUED, "The run does what was left out."),
    ],
)
def test_after_it_the_runs_page_says_what_was_done(
    admin: User, failed: Run, action: Action, state: Run.State, says: str
) -> None:
    assert told(browser_of(admin), address(failed, action)) == says
    failed.refresh_from_db()
    assert failed.state == state


def test_a_form_of_another_site_does_nothing(admin: User, failed: Run) -> None:
    client = browser_of(admin, strict=True)

    assert client.post(address(failed, Action.CANCEL)).status_code == 403
    failed.refresh_from_db()
    assert failed.state == Run.State.FAILED


def test_no_other_method_is_taken(admin: User, failed: Run) -> None:
    assert browser_of(admin).put(address(failed, Action.CANCEL)).status_code == 405


def test_the_second_of_two_operators_is_told_on_the_page(admin: User, failed: Run) -> None:
    first, second = browser_of(admin), browser_of(admin)
    assert second.get(address(failed, Action.RESUME)).status_code == 200
    told(first, address(failed, Action.RESUME))

    says = told(second, address(failed, Action.RESUME))
    assert says == "The run goes on already: somebody has resumed it."
    page = second.get(reverse("workflows:run", args=[failed.pk])).content.decode()
    assert says in page and "is-error" in page


def test_the_list_of_events_names_the_operator(admin: User, alice: User, failed: Run) -> None:
    client = browser_of(admin)
    told(client, address(failed, Action.CANCEL))
    SecurityEvent.objects.create(kind="session_ended", user=alice, details={"by": "herself"})

    page = Page(client.get(reverse("admin:accounts_securityevent_changelist")).content.decode())
    cells = [e.text for e in page.elements if e.attributes.get("class") == "field-operator"]
    assert sorted(cells) == ["", "admin"]
