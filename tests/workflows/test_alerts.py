"""Operators are told by mail of what needs them: many at a time, nothing lost, nothing told twice without need."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
import time_machine
from django.core import mail
from django.core.cache import cache
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from loginwatch.demo.mailbox import Mailbox
from tests.accounts.mail_server import HANG_UP, SILENCE, mail_server
from workflows.alerting import alerts, episodes
from workflows.alerting.alerts import raise_alert, tell_operators
from workflows.alerting.check import check_operators
from workflows.models import Alert, Run

FAILED = Alert.Kind.RUN_FAILED
MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _operators(settings: Settings) -> None:
    settings.OPERATOR_EMAILS = ["ops@example.com", "night@example.com"]


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime(2026, 3, 1, 22, 5, tzinfo=UTC), tick=False) as traveller:
        yield traveller


def told() -> EmailMultiAlternatives:
    """The mail of one call."""
    assert tell_operators() > 0
    return cast(EmailMultiAlternatives, mail.outbox[-1])


def html_of(message: EmailMultiAlternatives) -> str:
    ((content, content_type),) = message.alternatives
    assert content_type == "text/html"
    return str(content)


def untold() -> int:
    return Alert.objects.filter(told_at=None).count()


# --- The mail -----------------------------------------------------------------------------------------------


def test_one_mail_to_all_operators_in_text_and_html(run: Run, settings: Settings) -> None:
    for _ in range(3):
        raise_alert(FAILED, "save_event: the disk was full", run.pk)

    message = told()

    assert len(mail.outbox) == 1
    assert message.to == ["ops@example.com", "night@example.com"]
    assert message.from_email == settings.DEFAULT_FROM_EMAIL
    assert message.subject == "Loginwatch: 3 runs failed"
    assert message.message()["Auto-Submitted"] == "auto-generated"
    assert message.message().get_content_type() == "multipart/alternative"


def test_one_is_not_many_and_without_a_run_there_is_no_link() -> None:
    raise_alert(FAILED, "an error")

    message = told()

    assert message.subject == "Loginwatch: 1 run failed"
    assert "/runs/" not in str(message.body)


@pytest.mark.usefixtures("clock")
def test_it_says_how_many_when_what_where_and_what_to_do(run: Run, settings: Settings) -> None:
    settings.SITE_URL = "https://watch.example.com"
    raise_alert(FAILED, "save_event: the disk was full", run.pk)

    message = told()

    for body in (str(message.body), html_of(message)):
        for said in (
            "1 run failed at watch.example.com",
            "1 March 2026, 22:05 UTC (+0000)",
            "save_event: the disk was full",
            "python manage.py recover --failed",
        ):
            assert said in body
        assert set(re.findall(r"https?://[^\s\"<]+", body)) == {
            f"https://watch.example.com/runs/{run.pk}/",
            "https://watch.example.com/admin/workflows/alert/",
        }


def test_the_plain_text_is_evenly_spaced(run: Run) -> None:
    for n in range(2):
        raise_alert(FAILED, f"error {n}", run.pk)

    text = str(told().body)

    assert "\n\n\n" not in text
    assert re.search(rf": a run failed\nerror 1\nhttp://testserver/runs/{run.pk}/\n\n.*: a run failed\nerror 0\n", text)


@pytest.mark.parametrize("kind", Alert.Kind)
def test_every_kind_has_its_wording(kind: Alert.Kind) -> None:
    raise_alert(kind, "an error")

    assert alerts.WORDINGS[kind].remedy in str(told().body)


def test_it_lies_in_the_mailbox_of_the_demo(settings: Settings, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = "loginwatch.demo.maildir.EmailBackend", str(tmp_path)
    raise_alert(FAILED, "an error")

    assert tell_operators() == 1
    assert [found.subject for found in Mailbox(tmp_path).newest(9)] == ["Loginwatch: 1 run failed"]


# --- What an error may hold ---------------------------------------------------------------------------------


@pytest.mark.parametrize("newline", ["\n", "\r", "\r\n"])
def test_a_newline_in_an_error_begins_no_header(newline: str) -> None:
    raise_alert(FAILED, f"an error{newline}Bcc: everyone@example.com{newline}{newline}Hello")

    message = told()

    assert message.message()["Subject"] == "Loginwatch: 1 run failed"
    assert "Bcc" not in message.message()
    assert message.recipients() == ["ops@example.com", "night@example.com"]
    assert "an error\n" in str(message.body)


def test_markup_in_an_error_is_text() -> None:
    raise_alert(FAILED, '<img src="http://evil.example/x.png"> & more')

    message = told()

    assert "<img" not in html_of(message)
    assert "&lt;img src=&quot;http://evil.example/x.png&quot;&gt; &amp; more" in html_of(message)
    assert '<img src="http://evil.example/x.png"> & more' in str(message.body)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("IntegrityError: not unique\nDETAIL:  Key (token)=(5ecre7) exists.", "IntegrityError: not unique"),
        ("no answer from redis://:hunter2@broker:6379/0", "no answer from redis://***@broker:6379/0"),
        ("POST https://site:hunter2@risk.example/v1 failed", "POST https://***@risk.example/v1 failed"),
        ("x" * 1000, "x" * 299 + "…"),
        ("\n  \n an error \n", "an error"),
        ("", ""),
    ],
)
def test_of_an_error_its_first_line_is_told_cut_and_without_passwords(text: str, line: str) -> None:
    raise_alert(FAILED, text)

    message = told()

    assert f": a run failed\n{line}\n" in str(message.body)
    for body in (str(message.body), html_of(message)):
        assert "5ecre7" not in body
        assert "hunter2" not in body


# --- Raising ------------------------------------------------------------------------------------------------


def test_it_is_there_only_with_what_it_is_about() -> None:
    with transaction.atomic():
        raise_alert(FAILED, "an error")
        transaction.set_rollback(True)

    assert untold() == 0


def test_it_is_logged_in_a_line(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    raise_alert(FAILED, "an error\nfake log line", run.pk)

    assert caplog.record_tuples == [("workflows.alerting.alerts", logging.ERROR, f"a run failed ({run.pk}): an error")]


# --- Told once ----------------------------------------------------------------------------------------------


def test_nothing_to_tell_is_no_mail_and_no_pause() -> None:
    assert tell_operators() == 0
    raise_alert(FAILED, "an error")
    assert tell_operators() == 1


def test_what_was_told_is_not_told_again(clock: time_machine.Traveller) -> None:
    raise_alert(FAILED, "an error")

    assert tell_operators() == 1
    assert Alert.objects.get().told_at == timezone.now()
    clock.shift(MINUTE)
    assert tell_operators() == 0
    assert len(mail.outbox) == 1


def test_what_follows_a_mail_is_told_a_minute_later(clock: time_machine.Traveller) -> None:
    raise_alert(FAILED, "the first")
    assert tell_operators() == 1

    for n in range(5):
        raise_alert(FAILED, f"number {n}")
        assert tell_operators() == 0
    clock.shift(MINUTE)

    assert tell_operators() == 5
    assert [message.subject for message in mail.outbox] == ["Loginwatch: 1 run failed", "Loginwatch: 5 runs failed"]


class TellsMeanwhile(EmailBackend):
    """While it sends, another alert is raised and another call would tell of it."""

    def send_messages(self, messages: object) -> int:
        raise_alert(FAILED, "meanwhile")
        assert tell_operators() == 0
        return super().send_messages(cast(list[EmailMessage], messages))


def test_what_is_raised_while_a_mail_is_sent_is_told_in_the_next(
    clock: time_machine.Traveller, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.TellsMeanwhile"
    raise_alert(FAILED, "the first")

    assert tell_operators() == 1
    assert untold() == 1

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    clock.shift(MINUTE)
    assert tell_operators() == 1
    assert "meanwhile" in str(mail.outbox[-1].body)


@pytest.mark.django_db(transaction=True)
def test_of_tellers_at_the_same_time_one_tells(clock: time_machine.Traveller, smtp_at: Callable[..., None]) -> None:
    """Also where the last one was killed: its claim has run out, and is there for the taking."""
    together = threading.Barrier(4)

    def teller(_: int) -> int:
        try:
            connection.ensure_connection()
            together.wait(timeout=10)
            return tell_operators()
        finally:
            connection.close()

    with mail_server() as server, ThreadPoolExecutor(max_workers=4) as pool:
        smtp_at(server.port)
        for round_ in range(1, 11):
            clock.shift(timedelta(hours=1))  # no pause of an episode is longer
            cache.set(episodes.claim_key(alerts.WAY), "of one that was killed", timeout=-1)
            raise_alert(FAILED, "the first")
            raise_alert(FAILED, "the second")

            assert sorted(pool.map(teller, range(4))) == [0, 0, 0, 2]
            assert len(server.received) == round_


# --- The mail server is away --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answers",
    [{"CONNECT": "421 busy"}, {"CONNECT": SILENCE}, {"DATA": HANG_UP}, {"END": "451 error"}, {"RCPT": "550 nobody"}],
    ids=["busy", "silent", "hangs up", "error after the mail", "refuses"],
)
def test_what_could_not_be_told_is_told_later(
    clock: time_machine.Traveller,
    smtp_at: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    answers: dict[str, str],
) -> None:
    raise_alert(FAILED, "the first")
    with mail_server(**answers) as away:
        smtp_at(away.port, patience=0.3)
        assert tell_operators() == 0

    assert untold() == 1
    assert "operators could not be told of 1 alerts" in caplog.text
    raise_alert(FAILED, "the second")
    clock.shift(MINUTE)
    with mail_server() as back:
        smtp_at(back.port)
        assert tell_operators() == 2

    (message,) = back.received
    assert message["Subject"] == "Loginwatch: 2 runs failed"
    assert untold() == 0


def test_another_attempt_is_the_same_mail_to_a_mail_program(
    clock: time_machine.Traveller, smtp_at: Callable[..., None]
) -> None:
    """As where the server took the mail and its answer was lost."""
    raise_alert(FAILED, "an error")
    with mail_server() as server:
        smtp_at(server.port)
        assert tell_operators() == 1
        Alert.objects.update(told_at=None)
        clock.shift(MINUTE)
        assert tell_operators() == 1
        raise_alert(FAILED, "another")
        clock.shift(timedelta(hours=1))
        assert tell_operators() == 1

    first, again, another = (message["Message-ID"] for message in server.received)
    assert first == again != another


# --- Ten thousand -------------------------------------------------------------------------------------------


def test_ten_thousand_are_one_mail_and_twenty_of_them_are_read(run: Run) -> None:
    newest = [f"error number {n}" for n in range(9_980, 10_000)]
    Alert.objects.bulk_create(
        (Alert(kind=FAILED, run=run, text=f"error number {n}") for n in range(10_000)), batch_size=2_000
    )

    with CaptureQueriesContext(
        connection,
    ) as queries:
        message = told()

    assert message.subject == "Loginwatch: 10,000 runs failed"
    assert "The newest 20:" in str(message.body)
    assert re.findall(r"error number \d+", str(message.body)) == newest[::-1]
    assert len(str(message.message())) < 40_000
    assert (untold(), len(mail.outbox)) == (0, 1)
    reading = [query["sql"] for query in queries if '"text"' in query["sql"]]
    assert len(queries) < 15
    assert len(reading) == 2  # the oldest, which is locked, and the twenty


def test_what_is_too_much_for_a_mail_is_told_in_the_next(
    clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(episodes, "MOST_A_MESSAGE", 3)
    for n in range(5):
        raise_alert(FAILED, f"number {n}")

    assert tell_operators() == 3
    clock.shift(MINUTE)
    assert tell_operators() == 2
    assert untold() == 0


# --- Nobody to tell -----------------------------------------------------------------------------------------


def test_without_an_address_alerts_wait_for_one(clock: time_machine.Traveller, settings: Settings) -> None:
    settings.OPERATOR_EMAILS = []
    raise_alert(FAILED, "an error")

    assert (tell_operators(), untold(), mail.outbox) == (0, 1, [])

    settings.OPERATOR_EMAILS = ["ops@example.com"]
    assert tell_operators() == 1


def test_an_address_that_is_set_late_is_told_of_what_is_still_news(clock: time_machine.Traveller) -> None:
    raise_alert(FAILED, "years ago")
    clock.shift(alerts.TELL_WITHIN + MINUTE)
    raise_alert(FAILED, "yesterday")
    clock.shift(timedelta(days=1))

    assert told().subject == "Loginwatch: 1 run failed"
    assert "yesterday" in str(mail.outbox[-1].body)
    clock.shift(MINUTE)
    assert tell_operators() == 0


def test_a_site_without_operators_is_warned(settings: Settings) -> None:
    assert check_operators(None) == []

    settings.OPERATOR_EMAILS = []
    (warning,) = check_operators(None)
    assert (warning.id, warning.is_serious()) == ("workflows.W001", False)
    assert "e-mail addresses" in str(warning.hint)
