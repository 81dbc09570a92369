"""What each action does to a row."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import Device, Notice, SecurityEvent, SignIn, User, Verdict
from tests.accounts.browser import CHROME_ON_LINUX, Browser
from tests.accounts.mail_server import mail_server
from tests.workflows.conftest import FIREFOX
from tests.workflows.conftest import make_run as make_run  # the fixture
from workflows import figures, ledger, runs, steps
from workflows.bulk import files, registry, turns
from workflows.bulk.actions import texts
from workflows.bulk.actions.exports import FORMULA, line, safe
from workflows.bulk.models import BulkFailure, BulkJob, BulkLane
from workflows.models import Period, Run, Step

Queue = Callable[..., BulkJob]
Do = Callable[[BulkJob], BulkJob]


def test_who_is_signed_out_is_so_in_every_browser_and_nobody_else_is(
    people: list[User], signed_in: Callable[[User], str], queue: Queue, do: Do
) -> None:
    mine = [signed_in(people[0]), signed_in(people[0])]
    others = signed_in(people[1])

    job = do(queue("sign_out", ids=[people[0].pk]))

    assert job.done == 1
    assert not Session.objects.filter(pk__in=mine).exists()
    assert Session.objects.filter(pk=others).exists()


def test_a_dry_run_of_signing_out_signs_nobody_out(
    people: list[User], signed_in: Callable[[User], str], queue: Queue, do: Do
) -> None:
    key = signed_in(people[0])

    job = do(queue("sign_out", dry_run=True))

    assert (job.done, job.skipped) == (1, 11)
    assert Session.objects.filter(pk=key).exists()
    assert not SecurityEvent.objects.filter(user=people[0]).exists()


def test_each_person_gets_a_notice_of_their_own(people: list[User], queue: Queue, do: Do) -> None:
    people[1].username = "person{email}"  # what a name says is not read again
    people[1].save()
    User.objects.filter(pk=people[2].pk).update(is_active=False)
    parameters = {"subject": "Look, {username}", "text": "Dear {first_name} <{email}>,\nlook at {site}."}

    job = do(queue("security_notice", parameters=parameters))

    assert (job.done, job.skipped) == (11, 1)
    notices = {one.to[0]: one for one in mail.outbox[:-1]}
    first = notices["person00@example.com"]
    assert first.subject == "Look, person00"
    assert first.body.startswith("Dear Nr 0 <person00@example.com>,\nlook at testserver.")
    assert first.extra_headers["Message-ID"] == f"<bulk.{job.pk}.{people[0].pk}@testserver>"
    assert notices["person01@example.com"].subject == "Look, person{email}"
    assert people[2].email not in notices
    assert SecurityEvent.objects.filter(user=people[0], details__action="security_notice").count() == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ user.password }}", "template markup is not read"),
        ("{% load static %}", "template markup is not read"),
        ("{# note #}", "template markup is not read"),
        ("Hello {password}", "{password} is no placeholder"),
        ("Hello {}", "{} is no placeholder"),
        ("\0", "Null characters"),
        ("x" * 5001, "at most 5000"),
        ("", "required"),
    ],
)
def test_a_notice_with_markup_or_unknown_placeholders_is_refused_with_what_there_is(text: str, says: str) -> None:
    form = texts.NoticeForm({"subject": "hello", "text": text})

    assert says in str(form.errors["text"])


def test_a_notice_may_have_braces_that_are_none(db: None, alice: User) -> None:
    form = texts.NoticeForm({"subject": "hello", "text": "a {b c} } { {username}"})
    assert form.is_valid()
    assert texts.fill(form.cleaned_data["text"], alice) == "a {b c} } { alice"


def test_who_is_asked_for_a_new_password_can_choose_one_by_the_link_and_keeps_the_old_one_till_then(
    people: list[User], queue: Queue, do: Do, client: Client
) -> None:
    before = people[0].password
    job = do(queue("ask_password", ids=[people[0].pk]))

    assert job.done == 1
    assert User.objects.get(pk=people[0].pk).password == before
    assert SecurityEvent.objects.filter(user=people[0], details__action="ask_password").exists()
    (link,) = [line for line in str(mail.outbox[0].body).splitlines() if "/reset/key/" in line]
    form = client.get(link.removeprefix("http://testserver"), follow=True)
    new = {"password1": "another-horse-battery", "password2": "another-horse-battery"}
    client.post(form.redirect_chain[-1][0], new)
    assert User.objects.get(pk=people[0].pk).check_password("another-horse-battery")


def test_a_mail_server_that_is_away_costs_no_row_and_one_that_refuses_a_mail_costs_that_row(
    people: list[User], queue: Queue, do: Do, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    job = queue("security_notice", ids=[people[0].pk], parameters={"subject": "s", "text": "t"})
    for _ in range(3):
        lane = BulkLane.objects.get(job=job, number=0)
        turns.take_turn(job.pk, 0, lane.turn)
    job.refresh_from_db()
    assert job.error.startswith("The mail server is away: ")
    assert (job.done, job.failed, job.left) == (0, 0, 1)

    with mail_server(END="554 it looks like spam") as server:
        settings.EMAIL_PORT = server.port
        job = do(job)
    assert (job.done, job.failed) == (0, 1)
    assert "it looks like spam" in BulkFailure.objects.get().reason


def test_devices_are_forgotten_of_people_and_one_by_one(people: list[User], queue: Queue, do: Do) -> None:
    now = timezone.now()
    devices = [Device.objects.create(user=user, first_seen_at=now, last_seen_at=now) for user in people[:3]]

    assert do(queue("forget_devices", ids=[people[0].pk, people[5].pk])).done == 1
    job = do(queue("forget_device", ids=[device.pk for device in devices[:2]]))

    assert (job.done, job.skipped) == (1, 1)
    assert [d.untrusted_at is not None for d in Device.objects.order_by("pk")] == [True, True, False]


def test_a_device_that_no_worker_has_looked_at_is_forgotten_too(people: list[User], queue: Queue, do: Do) -> None:
    """As of an intruder who signs in to an account without devices while the workers are behind."""
    sign_in = SignIn.objects.create(user=people[0], user_agent=FIREFOX, issued_token="x")

    assert do(queue("forget_devices", ids=[people[0].pk])).done == 1

    sign_in.refresh_from_db()
    assert sign_in.device and sign_in.device.untrusted_at is not None


def test_failed_runs_are_resumed_and_others_left_alone(
    make_run: Callable[..., Run], queue: Queue, do: Do, admin: User, no_backlog: None
) -> None:
    failed, other = make_run(), make_run()
    ledger.fail_step(failed.pk, "post_to_risk_api", "it refuses")

    job = do(queue("resume", query=""))

    assert (job.done, job.skipped, job.failed) == (1, 1, 0)
    assert Run.objects.get(pk=failed.pk).state == Run.State.QUEUED
    assert Run.objects.get(pk=other.pk).resumed == 0
    steered = SecurityEvent.objects.get(kind=SecurityEvent.Kind.RUN_STEERED)
    assert steered.details["by"]["name"] == "admin"


@pytest.fixture
def no_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.backlog.lengths", lambda: {"sign_in": 0, "bulk": 10_000})


def test_runs_are_run_again_and_those_that_do_not_allow_it_left_alone_and_each_is_noted(
    make_run: Callable[..., Run], queue: Queue, do: Do, no_backlog: None
) -> None:
    cancelled, complete, _ = make_run(), make_run(), make_run()
    runs.cancel_run(cancelled.pk)
    complete.steps.update(state=Step.State.SUCCEEDED)
    Run.objects.filter(pk=complete.pk).update(state=Run.State.SUCCEEDED)

    job = do(queue("run_again", query=""))

    assert (job.done, job.skipped, job.failed) == (1, 2, 0)
    assert job.reasons == {
        "Every step of the run is done: nothing was left out.": 1,
        "The run has not ended: it goes on by itself.": 1,
    }
    assert Run.objects.get(pk=cancelled.pk).state == Run.State.QUEUED
    steered = SecurityEvent.objects.get(kind=SecurityEvent.Kind.RUN_STEERED).details
    assert (steered["run"], steered["action"], steered["by"]["name"]) == (str(cancelled.pk), "run_again", "admin")


def test_runs_are_not_published_while_sign_ins_wait(
    make_run: Callable[..., Run], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.fail_step(make_run().pk, "post_to_risk_api", "it refuses")
    monkeypatch.setattr("workflows.backlog.lengths", lambda: {"sign_in": 5_000, "bulk": 0})
    job = queue("resume", query="")
    for _ in range(2):
        turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)

    job.refresh_from_db()
    assert (job.done, job.error) == (0, "Sign-ins wait for workers; they come first.")


def test_a_sign_in_is_anonymised_once_its_workflow_has_ended(
    make_run: Callable[..., Run], queue: Queue, do: Do
) -> None:
    ended, going = make_run(), make_run()
    steps.check_device(ended.pk)
    Run.objects.filter(pk=ended.pk).update(state=Run.State.SUCCEEDED)

    tried = do(queue("anonymise", query="", dry_run=True))
    assert (tried.done, tried.failed) == (1, 1)
    assert SignIn.objects.filter(emptied_at=None).count() == 2

    job = do(queue("anonymise", query=""))
    assert (job.done, job.failed) == (1, 1)
    emptied = SignIn.objects.get(emptied_at__isnull=False)
    assert (emptied.pk, emptied.ip_address) == (ended.sign_in.pk, None)
    assert (emptied.user_agent, emptied.browser, emptied.os) == ("", "", "")
    assert list(Run.objects.values_list("pk", flat=True)) == [going.pk]
    assert do(queue("anonymise", query="", ids=[ended.sign_in.pk])).skipped == 1


def test_all_sign_ins_of_people_are_anonymised_and_nobody_elses(
    people: list[User], make_run: Callable[..., Run], signed_in: Callable[[User], str], queue: Queue, do: Do
) -> None:
    for user in (people[0], people[0], people[1], people[2]):
        signed_in(user)
    going = make_run().sign_in
    SignIn.objects.filter(pk=going.pk).update(user=people[1])
    job = queue("anonymise_people", ids=[people[0].pk, people[1].pk])
    tried = queue("anonymise_people", ids=[people[0].pk, people[1].pk], dry_run=True)
    signed_in(people[0])  # after the question

    assert (do(tried).done, tried.failed, tried.total) == (3, 1, 4)
    assert not SignIn.objects.exclude(emptied_at=None).exists()
    job = do(job)

    assert (job.done, job.failed, job.total) == (3, 1, 4)
    assert BulkFailure.objects.filter(job=job).get().row == str(going.pk)
    known = SignIn.objects.filter(emptied_at=None).order_by("pk")
    assert [one.user for one in known] == [people[2], people[1], people[0]]
    assert set(SecurityEvent.objects.filter(details__action="anonymise_people").values_list("user", flat=True)) >= {
        people[0].pk,
        people[1].pk,
    }


def test_no_session_outlives_the_sign_in_that_was_anonymised(alice: User, bob: User, queue: Queue, do: Do) -> None:
    thief, others = Browser(), Browser()
    thief.sign_in(alice)
    others.sign_in(bob)
    Run.objects.update(state=Run.State.SUCCEEDED)

    assert do(queue("anonymise_people", ids=[alice.pk], dry_run=True)).done == 1
    assert thief.is_signed_in()
    assert do(queue("anonymise_people", ids=[alice.pk])).done == 1

    assert (thief.is_signed_in(), others.is_signed_in()) == (False, True)
    assert do(queue("sign_out", ids=[alice.pk])).skipped == 1


def test_what_is_anonymised_stays_counted(
    alice: User, bob: User, make_run: Callable[..., Run], queue: Queue, do: Do
) -> None:
    """Whether its row stays, or goes as its cookie was used up."""
    now = timezone.now()
    earlier = [now - timedelta(hours=hours) for hours in (5, 4, 3)]
    for at, token, cookie in zip(earlier, ("", "first", ""), ("first", "second", "third"), strict=True):
        run = make_run(created_at=at, presented_token=token, device_status="new", device_reason="no_match")
        SignIn.objects.filter(pk=run.sign_in.pk).update(issued_token=cookie)
        Run.objects.filter(pk=run.pk).update(state=Run.State.SUCCEEDED, finished_at=at + timedelta(seconds=1))
        Verdict.objects.create(sign_in=run.sign_in, score=0, decision="allow")
        Notice.objects.create(sign_in=run.sign_in, message_id=cookie, state=Notice.State.SENT)
        other = SignIn.objects.create(user=bob, created_at=at, issued_token=f"other {cookie}")
        Verdict.objects.create(sign_in=other, score=90, decision="deny")
    day = now - timedelta(days=1), now + timedelta(hours=1)
    figures.write(*day)
    before = list(Period.objects.order_by("pk").values("span", "began_at", "counts", "durations"))

    assert do(queue("anonymise_people", ids=[alice.pk])).done == 3
    figures.write(*day)

    assert SignIn.objects.filter(user=alice).count() == 2
    assert list(Period.objects.order_by("pk").values("span", "began_at", "counts", "durations")) == before


def test_who_may_not_see_sign_ins_cannot_anonymise_those_of_people(
    people: list[User], signed_in: Callable[[User], str], queue: Queue, do: Do, make_operator: Callable[..., User]
) -> None:
    signed_in(people[0])
    carol = make_operator("carol", "bulk_anonymise")
    job = queue("anonymise_people", by=carol)
    carol.user_permissions.remove(Permission.objects.get(codename="view_signin"))

    job = do(BulkJob.objects.get(pk=job.pk))

    assert job.error == "carol may not see sign ins."
    assert not SignIn.objects.exclude(emptied_at=None).exists()


def test_an_export_has_a_line_a_row_in_their_order(people: list[User], queue: Queue, do: Do) -> None:
    User.objects.filter(pk=people[3].pk).update(first_name='=HYPERLINK("http://evil")', last_name='"a", b\nc')

    job = do(queue("export_users"))

    lines = list(csv.DictReader(io.StringIO("".join(files.export(job, registry.get("export_users"))), newline="")))
    assert [line["username"] for line in lines] == sorted(user.username for user in people)
    assert lines[3]["first_name"] == '\'=HYPERLINK("http://evil")'
    assert lines[3]["last_name"] == '"a", b\nc'
    assert "password" not in lines[0]


@pytest.mark.parametrize("name", ["users", "devices", "sign_ins", "security_events", "runs"])
def test_every_list_can_be_exported_and_tells_no_secret(
    make_run: Callable[..., Run], queue: Queue, do: Do, name: str
) -> None:
    run = make_run(session_key="the-session", presented_token="the-token")
    for step in (steps.check_device, steps.notify_user, steps.save_event):
        step(run.pk)
    SecurityEvent.objects.create(kind=SecurityEvent.Kind.SIGN_IN_FAILED)

    job = do(queue(f"export_{name}", query=""))

    written = "".join(files.export(job, registry.get(f"export_{name}")))
    assert job.done == job.total > 0
    assert job.failed == 0
    for secret in ("the-session", "the-token", run.sign_in.issued_token, run.owner.password):
        assert secret not in written


@pytest.mark.parametrize("name", ["devices", "sign_ins", "security_events", "runs"])
def test_an_export_tells_addresses_to_those_alone_who_may_see_users(
    make_run: Callable[..., Run],
    alice: User,
    queue: Queue,
    do: Do,
    make_operator: Callable[..., User],
    name: str,
) -> None:
    run = make_run()
    for step in (steps.check_device, steps.notify_user, steps.save_event):
        step(run.pk)
    carol = make_operator("carol", "bulk_export", "view_bulkjob")
    job = queue(f"export_{name}", query="", by=carol)
    carol.user_permissions.remove(Permission.objects.get(codename="view_user"))

    without = do(job)
    carol.user_permissions.add(Permission.objects.get(codename="view_user"))
    carol = User.objects.get(pk=carol.pk)
    whole = do(queue(f"export_{name}", query="", by=carol))

    action = registry.get(f"export_{name}")
    assert "@" not in "".join(files.export(without, action))
    assert ",alice," in "".join(files.export(without, action)).replace("\r\n", ",")
    assert alice.email in "".join(files.export(whole, action))


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", " =1+1", "＝1"])  # noqa: RUF001
def test_no_cell_becomes_a_formula(cell: str) -> None:
    assert safe(cell) == f"'{cell}"


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_NONE], ids=["quotes", "no quotes"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_no_spreadsheet_finds_a_formula_within_a_text(delimiter: str, quoting: Literal[0, 3]) -> None:
    for parts in itertools.product(
        ("", "x", '"'),
        (",", ";", "\t", "\n", "\r", "\r\n", ";,", ';"', '";', '","', ";\t"),
        ("", " ", '"', ' "', '""', '" "'),
        "=+-@＝＋－＠",  # noqa: RUF001  these very characters
        ("y", '"', ";", ',"', "\n"),
    ):
        text = "".join(parts)
        # In the middle, at the end and at the beginning of a line.
        written = io.StringIO(line([1, text, "z"]) + line([2, text]) + line([text, 3]), newline="")
        for cell in itertools.chain(*csv.reader(written, delimiter=delimiter, quoting=quoting)):
            assert not re.match(FORMULA, cell.lstrip()), (text, cell)


def test_what_a_browser_calls_itself_opens_no_program() -> None:
    assert line(["x;=cmd|' /C calc'!A0;y"]) == "x;'=cmd|' /C calc'!A0;y\r\n"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (-5, "-5"), (None, ""), (True, "True"), ("a=b", "a=b"), ({"a": 1}, '{"a": 1}'), ("a\r\n\r\nb", "a\r\n\r\nb"),
        (FIREFOX, FIREFOX), (CHROME_ON_LINUX, CHROME_ON_LINUX), ("a; b, c-d", "a; b, c-d"),
    ],
)  # fmt: skip
def test_other_cells_are_as_they_are(value: Any, cell: str) -> None:
    assert safe(value) == cell
