"""A run while it moves: what a page that shows it asks for and is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Notice, User
from tests.pages.browsing import REASONS, announced, do, finish, judge, page_of, panel_of, signed_in
from workflows.models import Run, Step
from workflows.presentation.watching import glance
from workflows.steps import Name


def test_a_run_is_polled_until_it_is_finished(alice: User, make_run: Callable[..., Run]) -> None:
    run = make_run(alice)
    client = signed_in(alice, run)
    panel = reverse("workflows:run-panel", args=[run.pk])
    for address in (reverse("workflows:security"), reverse("workflows:run", args=[run.pk])):
        page = page_of(client, address)
        asking = page.find("div", id="run-poll").attributes
        assert asking["hx-get"].startswith(f"{panel}?seen=") and "&was=queued&every=1&" in asking["hx-get"]
        assert (asking["hx-trigger"], asking["hx-swap"]) == ("every 1s", "outerHTML")
        assert "Refresh" in page.find("noscript").text
        assert [e.attributes["href"] for e in page.elements if e.text == "Refresh"] == [address]
    assert "hx-get" in panel_of(client, run).find("div", id="run-poll").attributes
    finish(run)
    for address in (reverse("workflows:security"), reverse("workflows:run", args=[run.pk])):
        page = page_of(client, address)
        assert page.values("hx-get") == page.values("hx-trigger") == []
        assert "Refresh" not in page.text


def test_a_page_is_told_to_ask_more_rarely_and_keeps_what_it_shows(alice: User, make_run: Callable[..., Run]) -> None:
    run = make_run(alice)
    client = signed_in(alice, run)
    page = page_of(client, reverse("workflows:run", args=[run.pk]))
    asking = page.find("div", id="run-poll").attributes["hx-get"]
    for seconds, every in ((2, 2), (7, 7), (1000, 30)):
        Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(seconds=seconds))
        seen = glance(run.pk)
        assert seen and seen.poll == every
        answer = page_of(client, re.sub("seen=[0-9a-f]+", f"seen={seen.version}", asking))
        assert answer.find("div", id="run-poll").attributes["hx-trigger"] == f"every {every}s"
        assert len(answer.elements) == 1


def test_a_run_whose_mail_follows_is_polled_slowly(alice: User, make_run: Callable[..., Run]) -> None:
    run = make_run(alice)
    result = {"notice": "handed_over", "id": 1, "error": "[Errno 111] Connection refused"}
    for name in Name:
        do(run, name, result=result if name == Name.NOTIFY_USER else None)
    notice = Notice.objects.create(sign_in=run.sign_in, message_id="<1@testserver>", state=Notice.State.HANDED_OVER)
    finish(run, Run.State.DEGRADED)
    page = panel_of(signed_in(alice), run)
    assert page.find("div", id="run-poll").attributes["hx-trigger"] == "every 30s"
    assert "The mail could not be sent yet, and will follow." in page.text
    assert "Notify the user mail follows The mail server is away" in page.text
    assert "Errno" not in page.html
    Notice.objects.filter(pk=notice.pk).update(state=Notice.State.SENT)
    finish(run)
    page = panel_of(signed_in(alice), run)
    assert page.values("hx-trigger") == []
    assert "Notify the user succeeded Mail sent later" in page.text


def test_each_change_of_a_run_is_announced_once(alice: User, make_run: Callable[..., Run]) -> None:
    run = make_run(alice)
    client = signed_in(alice, run)
    page = page_of(client, reverse("workflows:security"))
    assert page.find("p", id="run-announcement").attributes["role"] == "status"
    assert page.find("p", id="run-announcement").text == ""
    assert announced(client, run, seen="queued") == []
    finish(run, Run.State.RETRYING)
    (announcement,) = announced(client, run, seen="queued")
    assert announcement.startswith("The run is retrying. Something could not be reached.")
    assert announced(client, run, seen="retrying") == []
    judge(run)
    finish(run)
    (announcement,) = announced(client, run, seen="retrying")
    assert announcement == "The run has ended: succeeded. Every step is done. Verdict: unusual, score 55."
    assert page_of(client, reverse("workflows:security")).find("p", id="run-announcement").text == ""


def test_what_goes_with_a_run_comes_with_its_panel(alice: User, make_run: Callable[..., Run]) -> None:
    run = make_run(alice)
    client = signed_in(alice, run)
    for address, tag, beside in (
        (reverse("workflows:security"), "tr", f"row-{run.pk}"),
        (reverse("workflows:run", args=[run.pk]), "div", "run-panel"),
    ):
        finish(run, Run.State.RUNNING)
        page = page_of(client, address)
        assert "running" in page.find(tag, id=beside).text
        finish(run)
        answer = page_of(client, page.find("div", id="run-poll").attributes["hx-get"], headers={"HX-Request": "true"})
        assert "succeeded" in answer.find(tag, id=beside).text
        assert answer.find(tag, id=beside).attributes["hx-swap-oob"] == "true"
        assert answer.faults == [] and answer.values("hx-get") == []


def test_the_steps_tell_how_they_stand(alice: User, make_run: Callable[..., Run]) -> None:
    run = make_run(alice)
    do(run, Name.CHECK_DEVICE, result={"device": 1, "status": "new", "reason": "no_match"})
    do(run, Name.NOTIFY_USER, state=Step.State.RETRYING, attempts=2, error="[Errno 111] Connection refused")
    do(run, Name.SAVE_EVENT, result={"event": 1})
    text = panel_of(signed_in(alice), run).text
    assert "Check the device succeeded New device: it brought no cookie, and nothing like it signed in lately" in text
    assert "Notify the user retrying 2 attempts The mail server did not answer; it will be tried again." in text
    assert "Save the event succeeded Written to the security log" in text
    assert "Ask the risk service waiting" in text
    assert "2 of 5 steps done" in text


def test_what_the_system_said_is_for_staff_and_shown_as_text(
    alice: User, admin: User, make_run: Callable[..., Run]
) -> None:
    run = make_run(alice, browser="<b>Firefox", os="Linux", device_status="new")
    do(run, Name.NOTIFY_USER, result={"notice": "refused", "id": 1, "error": "550 /var/mail is full"})
    do(run, Name.POST_TO_RISK_API, state=Step.State.FAILED, error="<script>alert(1)</script>")
    finish(run, Run.State.FAILED)
    addresses = [reverse(f"workflows:{view}", args=[run.pk]) for view in ("run", "run-panel", "run-json")]
    for address in addresses:
        told = signed_in(alice, run).get(address).content.decode()
        assert "alert(1)" not in told and "/var/mail" not in told
        assert "This step failed for good; the operators can see why." in told
        told = signed_in(admin).get(address).content.decode()
        assert "alert(1)" in told and "/var/mail" in told
    page = page_of(signed_in(admin), addresses[0])
    assert "<script>alert(1)</script>" in page.text
    assert "<b>Firefox on Linux" in page.text


def test_a_verdict_explains_itself(alice: User, make_run: Callable[..., Run]) -> None:
    run = make_run(alice)
    judge(run)
    finish(run)
    text = panel_of(signed_in(alice), run).text
    assert "Verdict: unusual" in text
    assert "Score 55 of 100, medium risk" in text
    assert "What was done: flagged for the operators." in text
    for reason in REASONS:
        assert f"+{reason['points']} {reason['text']}" in text


def test_a_run_without_a_verdict_says_so(alice: User, make_run: Callable[..., Run]) -> None:
    run = make_run(alice)
    do(run, Name.POST_TO_RISK_API, state=Step.State.FAILED, error="401 Unauthorized")
    finish(run, Run.State.FAILED)
    text = panel_of(signed_in(alice), run).text
    assert "Verdict none" in text
    assert "Act on the verdict not reached" in text


def test_a_page_whose_session_was_ended_is_loaded_again(alice: User, make_run: Callable[..., Run]) -> None:
    address = reverse("workflows:run-panel", args=[make_run(alice).pk])
    response = Client().get(address, headers={"HX-Request": "true"})
    assert response.headers["HX-Refresh"] == "true"
    assert b"run-panel" not in response.content
