"""Alerts are posted to the operators' webhook: many at a time, signed, each once, whatever becomes of the mail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook

from tests.workflows.risk_service import Answer, RiskService, risk_service
from workflows.alerting import alerts
from workflows.alerting.alerts import raise_alert, tell_operators
from workflows.alerting.check import check_operators
from workflows.alerting.webhook import POST_WITHIN, post_alerts
from workflows.models import Alert, Run

FAILED = Alert.Kind.RUN_FAILED
MINUTE = timedelta(minutes=1)
SECRET = "whsec_b3BlcmF0b3JzLW9mLXRoaXMtc2l0ZS1hbG9uZQ=="
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def receiver(settings: Settings) -> Iterator[RiskService]:
    """Any HTTP server that keeps what it is sent."""
    with risk_service() as server:
        server.answer = Answer(status=204, body=b"")
        settings.OPERATOR_WEBHOOK_URL = f"{server.url}/hooks/a-token?of=them"
        settings.OPERATOR_WEBHOOK_SECRET = SECRET
        yield server


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime(2026, 3, 1, 22, 5, tzinfo=UTC), tick=False) as traveller:
        yield traveller


def unposted() -> int:
    return Alert.objects.filter(posted_at=None).count()


def id_of(request: tuple[dict[str, str], dict[str, Any]]) -> str:
    return request[0]["webhook-id"]


# --- The event ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("clock")
def test_it_says_how_many_of_each_kind_and_describes_the_newest(
    receiver: RiskService, run: Run, settings: Settings
) -> None:
    settings.SITE_URL = "https://watch.example.com"
    raise_alert(FAILED, "save_event: the disk was full\nDETAIL: 5ecre7", run.pk)
    raise_alert(FAILED, "no answer from redis://:hunter2@broker/0")
    raise_alert(Alert.Kind.BREAKER_OPENED, "risk.example.com")

    assert post_alerts() == 3

    ((headers, event),) = receiver.requests
    at = "2026-03-01T22:05:00+00:00"
    assert event == {
        "type": "alerts.raised",
        "timestamp": at,
        "data": {
            "site": "https://watch.example.com",
            "counts": {"run_failed": 2, "breaker_opened": 1},
            "alerts": [
                {"kind": "breaker_opened", "created_at": at, "text": "risk.example.com", "url": ""},
                {"kind": "run_failed", "created_at": at, "text": "no answer from redis://***@broker/0", "url": ""},
                {
                    "kind": "run_failed",
                    "created_at": at,
                    "text": "save_event: the disk was full",
                    "url": f"https://watch.example.com/runs/{run.pk}/",
                },
            ],
            "episode": {"began_at": at, "messages": 1, "counts": {"run_failed": 2, "breaker_opened": 1}},
            "alerts_url": "https://watch.example.com/admin/workflows/alert/",
        },
    }
    assert headers["Content-Type"] == "application/json"


def test_it_is_signed_as_standard_webhooks_has_it(receiver: RiskService) -> None:
    raise_alert(FAILED, "an error")

    post_alerts()

    ((headers, event),) = receiver.requests
    signed = {name: headers[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    assert Webhook(SECRET).verify(json.dumps(event), signed)
    assert "." not in headers["webhook-id"]


def test_an_outage_of_ten_thousand_runs_is_one_message(receiver: RiskService, run: Run) -> None:
    many = (Alert(kind=FAILED, run=run, text=f"error number {n} {'x' * 1000}") for n in range(10_000))
    Alert.objects.bulk_create(many, batch_size=2_000)

    assert post_alerts() == 10_000

    ((_, event),) = receiver.requests
    assert event["data"]["counts"] == {"run_failed": 10_000}
    assert len(event["data"]["alerts"]) == alerts.MOST_SHOWN
    assert len(json.dumps(event)) < 20_000
    assert unposted() == 0


# --- Once ---------------------------------------------------------------------------------------------------


def test_what_follows_a_post_is_posted_a_minute_later_and_nothing_twice(
    clock: time_machine.Traveller, receiver: RiskService
) -> None:
    raise_alert(FAILED, "the first")
    assert post_alerts() == 1
    raise_alert(FAILED, "the second")
    assert post_alerts() == 0
    clock.shift(MINUTE)
    assert [post_alerts(), post_alerts()] == [1, 0]
    clock.shift(MINUTE)
    assert post_alerts() == 0

    first, second = receiver.requests
    assert id_of(first) != id_of(second)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(status=500), "it answered 500"),
        (Answer(status=404), "it answered 404"),
        (Answer(status=410), "it answered 410"),
        (Answer(status=302, headers={"Location": "/elsewhere"}), "it answered 302"),
        (Answer(status=302, headers={"Location": "http://xn--a..b/"}), "InvalidCodepoint"),
    ],
)
def test_what_was_not_taken_is_posted_again_under_the_same_id(
    clock: time_machine.Traveller, receiver: RiskService, caplog: pytest.LogCaptureFixture, answer: Answer, reason: str
) -> None:
    receiver.answer = answer
    raise_alert(FAILED, "an error")
    assert [post_alerts(), unposted(), len(receiver.requests)] == [0, 1, 1]
    assert f"1 alerts could not be posted to 127.0.0.1, and will be later: {reason}" in caplog.text
    assert "a-token" not in caplog.text

    receiver.answer = Answer(status=200, body=b"thanks")
    assert post_alerts() == 0
    clock.shift(MINUTE)
    assert [post_alerts(), unposted()] == [1, 0]

    first, again = receiver.requests
    assert id_of(first) == id_of(again)
    assert first[1] == again[1]


def test_a_receiver_that_is_away_or_silent_holds_nobody(
    clock: time_machine.Traveller, receiver: RiskService, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.alerting.webhook.TIMEOUT", 0.2)
    raise_alert(FAILED, "an error")
    receiver.answer = Answer(delay=60)
    assert post_alerts() == 0
    clock.shift(MINUTE)
    settings.OPERATOR_WEBHOOK_URL = "http://127.0.0.1:1/"
    assert post_alerts() == 0

    assert unposted() == 1


# --- Apart from mail ----------------------------------------------------------------------------------------


def test_mail_and_webhook_do_not_wait_for_each_other(
    clock: time_machine.Traveller, receiver: RiskService, settings: Settings
) -> None:
    settings.OPERATOR_EMAILS = ["ops@example.com"]
    receiver.answer = Answer(status=500)
    raise_alert(FAILED, "an error")

    assert [tell_operators(), post_alerts()] == [1, 0]
    assert len(mail.outbox) == 1
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    receiver.answer = Answer()
    raise_alert(FAILED, "another")
    clock.shift(MINUTE)
    assert [tell_operators(), post_alerts()] == [0, 2]


def test_without_a_webhook_nothing_is_posted_and_what_is_old_is_never(
    clock: time_machine.Traveller, receiver: RiskService, settings: Settings
) -> None:
    url, settings.OPERATOR_WEBHOOK_URL = settings.OPERATOR_WEBHOOK_URL, ""
    raise_alert(FAILED, "long ago")
    assert post_alerts() == 0
    clock.shift(POST_WITHIN + MINUTE)
    raise_alert(FAILED, "today")
    settings.OPERATOR_WEBHOOK_URL = url

    assert post_alerts() == 1

    ((_, event),) = receiver.requests
    assert [alert["text"] for alert in event["data"]["alerts"]] == ["today"]
    assert Alert.objects.get(text="today").posted_at == timezone.now()


def test_a_webhook_is_enough_to_be_told(settings: Settings) -> None:
    settings.OPERATOR_EMAILS = []
    assert check_operators(None) == []

    settings.OPERATOR_WEBHOOK_URL = ""
    assert [warning.id for warning in check_operators(None)] == ["workflows.W001"]
