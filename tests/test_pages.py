"""What the pages say, to whom, and how they are made."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.core import mail
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.views import defaults
from django.views.csrf import csrf_failure
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Notice, SignIn, User, Verdict
from accounts.sign_ins import SESSION_KEY
from tests.conftest import PASSWORD
from tests.markup import Page, words
from workflows.models import Run, Step
from workflows.presentation.watching import glance
from workflows.runs import create_run
from workflows.steps import Name

REASONS = [
    {"code": "new_device", "text": "This device has not signed in to this account before.", "points": 30},
    {"code": "new_network", "text": "This account has not been used from this network before.", "points": 15},
    {"code": "recent_failures", "text": "One failed sign-in came shortly before.", "points": 10},
]
ENTRANCES = [
    "account_login", "account_signup", "account_reset_password", "account_reset_password_done",
    "account_email_verification_sent", "account_inactive", "account_reset_password_from_key_done",
]  # fmt: skip
ROOMS = ["workflows:security", "account_change_password", "account_email", "account_logout", "account_reauthenticate"]


@pytest.fixture
def make_run(db: None) -> Callable[..., Run]:
    """Makes a sign-in with its run, all steps waiting; takes the fields of the sign-in."""

    def make(user: User, **fields: Any) -> Run:
        token = f"token {SignIn.objects.count()}"
        return create_run(SignIn.objects.create(user=user, issued_token=token, **fields))

    return make


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


# --- Signing in ------------------------------------------------------------------------------------------


def test_the_sign_in_page_labels_its_fields_and_lets_password_managers_fill_them(client: Client, db: None) -> None:
    page = page_of(client, reverse("account_login"))
    name, password = page.find("input", name="login"), page.find("input", name="password")
    assert page.find("label", for_=name.attributes["id"]).text == "E-mail or user name"
    assert page.find("label", for_=password.attributes["id"]).text == "Password"
    assert (name.attributes["autocomplete"], password.attributes["autocomplete"]) == ("username", "current-password")
    assert "placeholder" not in name.attributes | password.attributes
    assert page.find("a", href=reverse("account_reset_password")).text == "Forgot password?"


def test_a_wrong_password_is_told_above_the_form_and_in_the_title(client: Client, alice: User) -> None:
    response = client.post(reverse("account_login"), {"login": "alice", "password": "a guess"})
    page = Page(response.content.decode())
    assert "not correct" in page.find("div", role="alert").text
    assert page.find("title").text == "Error: Sign in · Loginwatch"
    assert page.faults == []


def test_what_is_wrong_with_a_field_is_tied_to_it(client: Client, db: None) -> None:
    response = client.post(reverse("account_signup"), {"email": "x@example.com", "username": "a b"})
    page = Page(response.content.decode())
    username = page.find("input", name="username")
    assert username.attributes["aria-invalid"] == "true"
    error = page.find("ul", id=username.attributes["aria-describedby"])
    assert "letters, digits" in error.text
    assert page.faults == []


def test_the_demo_accounts_are_named_in_demo_mode_only(client: Client, db: None, settings: Settings) -> None:
    demo = ["alice@example.com", "bob@example.com", "admin@example.com", "loginwatch-demo"]
    page = page_of(client, reverse("account_login"))
    assert not any(text in page.text for text in [*demo, "demonstration"])
    settings.LOGINWATCH_DEMO = True
    page = page_of(client, reverse("account_login"))
    assert all(text in page.text for text in [*demo, "demonstration"])


def test_a_sign_in_lands_on_its_own_run(client: Client, alice: User) -> None:
    response = client.post(reverse("account_login"), {"login": "alice", "password": PASSWORD}, follow=True)
    page = Page(response.content.decode())
    assert response.redirect_chain == [(reverse("workflows:security"), 302)]
    assert "Signed in as alice." in page.text
    assert page.find("h2", id="this-sign-in").text == "This sign-in"
    assert "queued It waits for a worker." in page.text
    assert "0 of 5 steps done" in page.text
    assert page.faults == []


# --- A run -----------------------------------------------------------------------------------------------


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


def test_a_page_that_has_seen_all_is_answered_with_nothing(
    alice: User, make_run: Callable[..., Run], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    run = make_run(alice)
    client = signed_in(alice, run)
    for address in (reverse("workflows:security"), reverse("workflows:run", args=[run.pk])):
        asking = page_of(client, address).find("div", id="run-poll").attributes["hx-get"]
        # The session, the person, and a glance at the run.
        with django_assert_max_num_queries(3):
            answer = client.get(asking, headers={"HX-Request": "true"})
        assert (answer.status_code, answer.content) == (204, b"")


def test_a_page_is_told_to_ask_more_rarely_and_keeps_what_it_shows(alice: User, make_run: Callable[..., Run]) -> None:
    run = make_run(alice)
    client = signed_in(alice, run)
    page = page_of(client, reverse("workflows:run", args=[run.pk]))
    asking = page.find("div", id="run-poll").attributes["hx-get"]
    for seconds, every in ((20, 3), (40, 8), (100, 20), (1000, 30)):
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
    assert "The mail will be sent when the mail server is back." in page.text
    assert "Notify the user mail follows The mail server is away" in page.text
    assert "Errno" not in page.html
    Notice.objects.filter(pk=notice.pk).update(state=Notice.State.SENT)
    finish(run)
    page = panel_of(signed_in(alice), run)
    assert page.values("hx-trigger") == []
    assert "Notify the user succeeded Mail sent when the mail server was back" in page.text


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


def test_recent_sign_ins_link_to_their_runs(alice: User, bob: User, make_run: Callable[..., Run]) -> None:
    mine = [make_run(alice, ip_address="2001:db8::1", place="Utrecht, Netherlands") for _ in range(3)]
    others = make_run(bob)
    page = page_of(signed_in(alice, mine[0]), reverse("workflows:security"))
    rows = page.find("table", id="sign-ins")
    assert rows.text.count("2001:db8::1") == 3 and rows.text.count("this sign-in") == 1
    assert {reverse("workflows:run", args=[run.pk]) for run in mine} <= set(page.values("href"))
    assert str(others.pk) not in page.html


def test_earlier_sign_ins_are_a_page_away(alice: User, bob: User, make_run: Callable[..., Run]) -> None:
    runs = [make_run(alice) for _ in range(25)]
    others = make_run(bob)
    # Of several at the same time none is left out.
    SignIn.objects.filter(run__in=runs[5:20]).update(created_at=runs[5].created_at)
    newest = list(SignIn.objects.filter(user=alice).order_by("-created_at", "-pk").values_list("run", flat=True))
    client = signed_in(alice, runs[-1])
    address, seen = reverse("workflows:security"), []
    for number in range(3):
        page = page_of(client, address)
        seen.append([run for run in newest if f'id="row-{run}"' in page.html])
        assert str(others.pk) not in page.html
        links = [link for link in page.values("href") if "/before/" in link]
        assert len(links) == (number < 2)
        address = links[0] if links else ""
    assert seen == [newest[:10], newest[10:20], newest[20:]]


def test_earlier_sign_ins_than_the_first_are_none_and_others_are_not_shown(
    alice: User, bob: User, make_run: Callable[..., Run]
) -> None:
    first, others = make_run(alice).sign_in, make_run(bob).sign_in
    client = signed_in(alice)
    addresses = [reverse("workflows:earlier-sign-ins", args=[pk]) for pk in (first.pk, others.pk, 10**30)]
    assert "There are none." in page_of(client, addresses[0]).text
    assert [client.get(address).status_code for address in addresses] == [200, 404, 404]
    assert Client().get(addresses[0]).status_code == 302


def test_more_sign_ins_cost_no_more_queries(
    alice: User, make_run: Callable[..., Run], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    runs = [make_run(alice) for _ in range(15)]
    client = signed_in(alice, runs[-1])
    # The session, the person, the sign-ins, a glance at the run, the run, its steps.
    with django_assert_max_num_queries(6):
        client.get(reverse("workflows:security"))


@pytest.mark.parametrize("view", ["workflows:run", "workflows:run-panel", "workflows:run-json"])
def test_a_run_is_for_its_person_and_for_staff(
    view: str, alice: User, bob: User, admin: User, make_run: Callable[..., Run]
) -> None:
    address = reverse(view, args=[make_run(alice).pk])
    assert [signed_in(user).get(address).status_code for user in (alice, admin, bob)] == [200, 200, 404]
    assert Client().get(address).status_code in (302, 404)


def test_staff_are_told_whose_run_it_is(alice: User, admin: User, make_run: Callable[..., Run]) -> None:
    run = make_run(alice)
    address = reverse("workflows:run", args=[run.pk])
    assert "alice (alice@example.com) signed in on" in page_of(signed_in(admin), address).text
    assert "You signed in on" in page_of(signed_in(alice), address).text
    assert "Back to your sign-ins" in page_of(signed_in(alice), address).text
    assert "your" not in page_of(signed_in(admin), address).find("main").text.lower()


def test_a_page_whose_session_was_ended_is_loaded_again(alice: User, make_run: Callable[..., Run]) -> None:
    address = reverse("workflows:run-panel", args=[make_run(alice).pk])
    response = Client().get(address, headers={"HX-Request": "true"})
    assert response.headers["HX-Refresh"] == "true"
    assert b"run-panel" not in response.content


# --- Every page ------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("demo", [False, True])
@pytest.mark.parametrize("name", ENTRANCES)
def test_the_pages_of_the_entrance_are_well_made(
    name: str, demo: bool, client: Client, db: None, settings: Settings
) -> None:
    settings.LOGINWATCH_DEMO = demo
    assert_well_made(page_of(client, reverse(name)))


@pytest.mark.parametrize("name", ROOMS)
def test_the_pages_inside_are_well_made(name: str, alice: User, make_run: Callable[..., Run]) -> None:
    client = signed_in(alice, make_run(alice))
    page = page_of(client, reverse(name))
    assert_well_made(page)
    assert reverse("admin:index") not in page.values("href")


def test_the_pages_of_a_finished_run_are_well_made(admin: User, make_run: Callable[..., Run]) -> None:
    run = make_run(admin)
    judge(run)
    finish(run)
    client = signed_in(admin, run)
    for address in (reverse("workflows:security"), reverse("workflows:run", args=[run.pk])):
        page = page_of(client, address)
        assert_well_made(page)
        assert page.find("a", href=reverse("admin:index")).text == "Admin"
    assert panel_of(client, run).faults == []


def test_links_from_mails_lead_to_well_made_pages(client: Client, make_user: Callable[..., User]) -> None:
    carol = make_user("carol")
    address = EmailAddress.objects.get(user=carol)
    EmailAddress.objects.filter(pk=address.pk).update(verified=False)
    address.refresh_from_db()
    confirm = page_of(client, reverse("account_confirm_email", args=[EmailConfirmationHMAC(address).key]))
    assert "carol@example.com is the address of carol." in confirm.text
    assert_well_made(confirm)
    assert_well_made(page_of(client, reverse("account_confirm_email", args=["no-such-key"])))
    assert_well_made(page_of(client, reverse("account_reset_password_from_key", args=["1", "no-such-key"])))


def test_a_new_password_is_chosen_from_a_mail(client: Client, alice: User) -> None:
    client.post(reverse("account_reset_password"), {"email": alice.email})
    (letter,) = mail.outbox
    assert letter.subject == "Choose a new password"
    (link,) = [line for line in letter.body.splitlines() if line.startswith("http://testserver/")]
    response = client.get(link, follow=True)
    page = Page(response.content.decode())
    assert page.find("h1").text == "Choose a new password"
    assert_well_made(page)


def test_who_signs_up_is_sent_a_link_that_works(client: Client, db: None) -> None:
    form = {"email": "o'neil@example.com", "username": "oneil", "password1": PASSWORD, "password2": PASSWORD}
    client.post(reverse("account_signup"), form)
    (letter,) = mail.outbox
    assert letter.subject == "Confirm your e-mail address"
    assert letter.body.startswith("Hello oneil,\n") and "&" not in letter.body
    (link,) = [line for line in letter.body.splitlines() if line.startswith("http://testserver/")]
    assert "o'neil@example.com" in page_of(client, link).text


def test_a_link_that_was_used_leads_to_the_sign_in(client: Client, db: None) -> None:
    page = page_of(client, reverse("account_confirm_email", args=["no-such-key"]))
    assert "If you have confirmed already, sign in." in page.text


@pytest.mark.parametrize("name", ["email_changed", "email_confirm", "email_deleted"])
def test_changes_to_an_account_are_told_in_plain_text(name: str, alice: User) -> None:
    context = {
        "user": alice, "current_site": {"name": "Loginwatch", "domain": "testserver"}, "timestamp": timezone.now(),
        "ip": "192.0.2.1", "user_agent": "A & B", "from_email": "o'neil@example.com", "to_email": "b@example.com",
        "deleted_email": "o'neil@example.com",
    }  # fmt: skip
    body = render_to_string(f"account/email/{name}_message.txt", context).strip()
    assert body.startswith("Hello alice,\n") and body.endswith("\n\nLoginwatch")
    assert "Browser:    A & B" in body and "If it was not you, choose a new password at once" in body
    assert "&#" not in body and "email " not in body
    assert len(render_to_string(f"account/email/{name}_subject.txt").splitlines()) == 1


def test_a_changed_password_is_told_on_the_page(alice: User) -> None:
    client = Client()
    client.post(reverse("account_login"), {"login": "alice", "password": PASSWORD})
    form = {"oldpassword": PASSWORD, "password1": "quite another one", "password2": "quite another one"}
    response = client.post(reverse("account_change_password"), form, follow=True)
    assert "Your password is changed. Other browsers are signed out." in Page(response.content.decode()).text


def test_signing_up_twice_and_resetting_what_is_not_there_say_what_to_do(client: Client, alice: User) -> None:
    form = {"email": alice.email, "username": "other", "password1": PASSWORD, "password2": PASSWORD}
    client.post(reverse("account_signup"), form)
    client.post(reverse("account_reset_password"), {"email": "nobody@example.com"})
    assert [letter.subject for letter in mail.outbox] == [
        "You have an account already",
        "No account has this e-mail address",
    ]


# --- When something is wrong -----------------------------------------------------------------------------


def test_a_missing_page_says_so(client: Client, db: None) -> None:
    page = page_of(client, "/no-such-page/", status=404)
    assert_well_made(page)
    assert page.find("h1").text == "There is no such page"


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "429"])
def test_the_pages_of_errors_are_well_made(name: str, rf: RequestFactory) -> None:
    assert_well_made(Page(render_to_string(f"{name}.html", request=rf.get("/"))))


def test_the_page_of_an_error_of_ours_needs_nothing(rf: RequestFactory) -> None:
    page = Page(defaults.server_error(rf.get("/")).content.decode())
    assert_well_made(page)
    assert page.find("h1").text == "Something went wrong"


def test_a_form_that_cannot_be_checked_is_asked_for_again(rf: RequestFactory) -> None:
    response = csrf_failure(rf.post("/"))
    assert response.status_code == 403
    assert_well_made(Page(response.content.decode()))


def test_too_many_attempts_are_told_so(client: Client, db: None, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"reset_password": "1/m/ip"}
    for _ in range(2):
        response = client.post(reverse("account_reset_password"), {"email": "nobody@example.com"})
    assert response.status_code == 429
    page = Page(response.content.decode())
    assert page.find("h1").text == "Too many attempts"
    assert_well_made(page)


@pytest.mark.parametrize("level", ["debug", "info", "success", "warning", "error"])
def test_messages_of_every_level_have_an_icon(level: str) -> None:
    message = Message(constants.DEFAULT_LEVELS[level.upper()], "Something happened.")
    page = Page(render_to_string("messages.html", {"messages": [message]}))
    assert words(page.text) == "Something happened."
    assert page.find("svg", class_=f"icon icon-{level}").attributes["aria-hidden"] == "true"
