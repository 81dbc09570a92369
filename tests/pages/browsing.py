"""What the tests of pages share: a browser, and what every page is held to."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.models import SignIn, User, Verdict
from accounts.sign_ins import SESSION_KEY
from tests.markup import Page, words
from workflows.models import Run, Step
from workflows.steps import Name

REASONS = [
    {"code": "new_device", "text": "This device has not signed in to this account before.", "points": 30},
    {"code": "new_network", "text": "This account has not been used from this network before.", "points": 15},
    {"code": "recent_failures", "text": "One failed sign-in came shortly before.", "points": 10},
]


def do(run: Run, name: Name, **fields: Any) -> None:
    run.steps.filter(name=name).update(**({"state": Step.State.SUCCEEDED, "attempts": 1} | fields))


def finish(run: Run, state: Run.State = Run.State.SUCCEEDED) -> None:
    Run.objects.filter(pk=run.pk).update(state=state)


def judge(run: Run) -> None:
    Verdict.objects.create(
        sign_in=run.sign_in, score=55, level="medium", decision="challenge", action="flagged", reasons=REASONS
    )


def signed_in(user: User, run: Run | None = None) -> Client:
    """A browser of ``user``; its session began with the sign-in of ``run``, or is older than all of them."""
    client = Client()
    client.force_login(user)
    SignIn.objects.filter(pk=client.session[SESSION_KEY]).delete()
    session = client.session
    del session[SESSION_KEY]
    if run:
        session[SESSION_KEY] = run.sign_in_id
    session.save()
    return client


def page_of(client: Client, address: str, *, status: int = 200, **more: Any) -> Page:
    response = client.get(address, **more)
    assert response.status_code == status
    return Page(response.content.decode())


def panel_of(client: Client, run: Run, query: str = "") -> Page:
    address = reverse("workflows:run-panel", args=[run.pk]) + query
    return page_of(client, address, headers={"HX-Request": "true"})


def announced(client: Client, run: Run, *, seen: str) -> list[str]:
    """What a page that saw the run in the state ``seen`` is told by the next answer to its polling."""
    page = panel_of(client, run, f"?was={seen}")
    return [words(e.text) for e in page.elements if e.attributes.get("id") == "run-announcement"]


def assert_well_made(page: Page) -> None:
    assert page.faults == []
    assert page.find("title").text.endswith(" · Loginwatch")
    assert len([e for e in page.elements if e.tag == "h1"]) == 1
    assert page.values("style") == []
    assert not any(e.tag == "style" or (e.tag == "script" and "src" not in e.attributes) for e in page.elements)
    assert not any(name.startswith("on") for e in page.elements for name in e.attributes)
    assert [address for address in page.addresses() if "//" in address or address.startswith("javascript:")] == []
    for element in page.elements:
        if element.tag == "input" and element.attributes["type"] != "hidden":
            assert element.attributes["id"] in page.values("for")
