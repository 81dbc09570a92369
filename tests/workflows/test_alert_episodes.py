"""Alerts that keep coming: the operators are told at once, and then less and less often, by mail and webhook alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from pytest_django import Settings

from tests.accounts.mail_server import mail_server
from tests.workflows.risk_service import Answer, RiskService, risk_service
from workflows.alerting import alerts, webhook
from workflows.alerting.alerts import raise_alert
from workflows.models import Alert

FAILED, OPENED, UNANSWERED = Alert.Kind.RUN_FAILED, Alert.Kind.BREAKER_OPENED, Alert.Kind.UNANSWERED
BEGAN = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
# In minutes after the first: told at once, then after 1, 5, 15 and 60 minutes, and every 60 from there.
MOMENTS = [0, 1, 6, 21, 81, 141, 201, 261, 321, 381, 441, 501]
pytestmark = pytest.mark.django_db


@dataclass
class Way:
    """One by which operators are told: what beat calls, and the column that says that it was done."""

    tell: Callable[[], int]
    column: str

    def waiting(self) -> int:
        return Alert.objects.filter(**{self.column: None}).count()


# What is told in the first minutes, of runs that fail once a minute in the second: minute → number of alerts.
ToldIn = Callable[[Way, range, range], dict[int, int]]
MAIL, WEBHOOK = Way(alerts.tell_operators, "told_at"), Way(webhook.post_alerts, "posted_at")
both_ways = pytest.mark.parametrize("way", [MAIL, WEBHOOK], ids=["mail", "webhook"])


@pytest.fixture(autouse=True)
def receiver(settings: Settings) -> Iterator[RiskService]:
    """Any HTTP server that keeps what it is sent."""
    settings.OPERATOR_EMAILS = ["ops@example.com"]
    with risk_service() as server:
        server.answer = Answer(status=204, body=b"")
        settings.OPERATOR_WEBHOOK_URL = server.url
        settings.OPERATOR_WEBHOOK_SECRET = "whsec_b3BlcmF0b3JzLW9mLXRoaXMtc2l0ZS1hbG9uZQ=="
        yield server


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(BEGAN, tick=False) as traveller:
        yield traveller


@pytest.fixture
def told_in(clock: time_machine.Traveller) -> ToldIn:
    """Beat is some seconds late, a different number each time."""

    def tell_in(way: Way, minutes: range, failing: range) -> dict[int, int]:
        told = {}
        for minute in minutes:
            clock.move_to(BEGAN + timedelta(minutes=minute))
            if minute in failing:
                raise_alert(FAILED, f"failed in minute {minute}")
            clock.shift(timedelta(seconds=minute * 7 % 10))
            told[minute] = way.tell()
        return {minute: number for minute, number in told.items() if number}

    return tell_in


def bodies() -> list[str]:
    return [str(message.body) for message in mail.outbox]


# --- An outage ----------------------------------------------------------------------------------------------


@both_ways
def test_eight_hours_of_failures_are_twelve_messages(way: Way, told_in: ToldIn) -> None:
    told = told_in(way, range(600), range(480))

    assert list(told) == MOMENTS
    assert list(told.values()) == [1, 1, 5, 15, 60, 60, 60, 60, 60, 60, 60, 38]
    assert way.waiting() == 0


def test_each_mail_says_how_many_since_the_last_and_since_it_began(told_in: ToldIn) -> None:
    told_in(MAIL, range(22), range(480))

    assert [message.subject.removeprefix("Loginwatch: ") for message in mail.outbox] == [
        "1 run failed",
        "1 run failed",
        "5 runs failed",
        "15 runs failed",
    ]
    since = "In all, since 1 March 2026, 22:00 UTC (+0000):"
    first, *others = bodies()
    assert "In all" not in first
    for number, body in zip((2, 7, 22), others, strict=True):
        assert f"\n\n{since} {number} runs failed.\n\n" in body
    last = mail.outbox[-1]
    assert isinstance(last, EmailMultiAlternatives)
    ((html, _),) = last.alternatives
    assert f"<p>{since} 22 runs failed.</p>" in str(html)


def test_each_post_says_how_many_since_the_last_and_since_it_began(receiver: RiskService, told_in: ToldIn) -> None:
    told_in(WEBHOOK, range(22), range(480))

    said = [event["data"] for _, event in receiver.requests]
    assert [data["counts"] for data in said] == [{"run_failed": number} for number in (1, 1, 5, 15)]
    assert [data["episode"] for data in said] == [
        {"began_at": "2026-03-01T22:00:00+00:00", "messages": message, "counts": {"run_failed": number}}
        for message, number in ((1, 1), (2, 2), (3, 7), (4, 22))
    ]


@both_ways
def test_another_kind_is_told_at_once_with_all_that_waited(way: Way, told_in: ToldIn) -> None:
    told_in(way, range(100), range(100))
    raise_alert(OPENED, "risk.example.com")

    assert told_in(way, range(100, 101), range(100, 101)) == {100: 20}
    raise_alert(OPENED, "risk.example.com")
    assert told_in(way, range(101, 165), range(101, 165)) == {160: 61}


def test_another_kind_is_of_the_same_episode(told_in: ToldIn) -> None:
    told_in(MAIL, range(100), range(100))
    raise_alert(OPENED, "risk.example.com")

    told_in(MAIL, range(100, 101), range(0))

    assert mail.outbox[-1].subject == "Loginwatch: 18 runs failed, 1 breaker opened"
    assert "22:00 UTC (+0000): 100 runs failed, 1 breaker opened." in bodies()[-1]


@both_ways
@pytest.mark.parametrize(("again", "told_at"), [(110, 140), (111, 111)])
def test_after_half_an_hour_without_it_is_over_and_the_next_is_told_at_once(
    way: Way, told_in: ToldIn, again: int, told_at: int
) -> None:
    told_in(way, range(82), range(82))

    assert told_in(way, range(82, 150), range(again, again + 1)) == {told_at: 1}


@both_ways
def test_when_it_is_over_what_waited_is_told(way: Way, told_in: ToldIn) -> None:
    told_in(way, range(90), range(90))

    assert told_in(way, range(90, 120), range(0)) == {119: 8}
    assert list(told_in(way, range(120, 150), range(120, 150))) == [120, 121, 126, 141]


def test_the_next_episode_counts_its_own(told_in: ToldIn) -> None:
    told_in(MAIL, range(90), range(82))
    mail.outbox.clear()

    told_in(MAIL, range(120, 122), range(120, 122))

    first, second = bodies()
    assert "In all" not in first
    assert "In all, since 2 March 2026, 00:00 UTC (+0000): 2 runs failed." in second


@both_ways
def test_one_in_a_long_while_is_always_told_at_once(way: Way, told_in: ToldIn) -> None:
    rare = range(0, 600, 60)

    assert list(told_in(way, range(600), rare)) == list(rare)


# --- What is not taken --------------------------------------------------------------------------------------


def test_a_receiver_that_is_away_is_asked_each_minute_under_the_same_id(
    receiver: RiskService, told_in: ToldIn, caplog: pytest.LogCaptureFixture
) -> None:
    told_in(WEBHOOK, range(80), range(80))
    posted = len(receiver.requests)
    receiver.answer = Answer(status=503)

    assert told_in(WEBHOOK, range(80, 100), range(0)) == {}

    away = receiver.requests[posted:]
    assert len(away) == 19  # since minute 81
    assert len({headers["webhook-id"] for headers, _ in away}) == 1
    assert len({json.dumps(event) for _, event in away}) == 1
    receiver.answer = Answer(status=204)
    assert told_in(WEBHOOK, range(100, 170), range(100, 170)) == {100: 59, 160: 60}


def test_a_mail_server_that_is_away_is_asked_each_minute(
    told_in: ToldIn, smtp_at: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    told_in(MAIL, range(80), range(80))

    with mail_server(CONNECT="421 busy") as away:
        smtp_at(away.port)
        assert told_in(MAIL, range(80, 100), range(80, 100)) == {}
    assert caplog.text.count("operators could not be told") == 19
    with mail_server() as back:
        smtp_at(back.port)
        assert told_in(MAIL, range(100, 170), range(100, 170)) == {100: 79, 160: 60}


def test_mail_and_webhook_have_episodes_of_their_own(receiver: RiskService, told_in: ToldIn) -> None:
    """The one is told less and less often while the other has not heard of it yet."""
    receiver.answer = Answer(status=503)
    assert list(told_in(MAIL, range(50), range(50))) == [0, 1, 6, 21]
    assert told_in(WEBHOOK, range(50, 51), range(0)) == {}
    receiver.answer = Answer(status=204)

    assert list(told_in(WEBHOOK, range(51, 70), range(51, 70))) == [51, 52, 57]
    assert list(told_in(MAIL, range(70, 85), range(70, 85))) == [81]


# --- Too much -----------------------------------------------------------------------------------------------


@both_ways
def test_what_a_message_cannot_hold_waits_for_no_pause(
    way: Way, told_in: ToldIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_in(way, range(10), range(10))
    monkeypatch.setattr("workflows.alerting.episodes.MOST_A_MESSAGE", 10)

    assert told_in(way, range(10, 50), range(10, 30)) == {21: 10, 22: 6}


@both_ways
def test_as_many_as_no_statement_takes_are_marked_as_told(
    way: Way, told_in: ToldIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.alerting.episodes.MOST_A_STATEMENT", 3)
    for number in range(8):
        raise_alert(UNANSWERED, f"number {number}")

    assert told_in(way, range(60), range(0)) == {0: 8}
    assert way.waiting() == 0
