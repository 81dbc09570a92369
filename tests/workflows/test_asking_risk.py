"""The step that asks the risk service, as a plain function: what it sends, when it asks again, and when no more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from billiard.exceptions import SoftTimeLimitExceeded
from django.utils import timezone
from pytest_django import Settings

from accounts.models import SecurityEvent, User
from tests.workflows.doing import ask, do_all, end_the_lease, raising, step_of
from tests.workflows.doing import second_device_run as second_device_run  # the fixture
from tests.workflows.risk_service import ALLOW, DENY, Answer, RiskService
from workflows import ledger, runs, steps
from workflows.ledger import StepTaken, TryAgain
from workflows.models import Run
from workflows.risk import risk_api
from workflows.steps import Name

pytestmark = pytest.mark.usefixtures("risk")


def test_the_risk_service_gets_facts_a_key_and_a_signature_that_it_can_check(
    run: Run, risk: RiskService, settings: Settings
) -> None:
    from standardwebhooks import Webhook

    do_all(run)

    ((headers, body),) = risk.requests
    assert headers["Idempotency-Key"] == f"{run.pk}.post_to_risk_api"
    assert body["subject"] == str(run.sign_in.user.uuid)
    assert body["client"] == {"ip": "192.0.2.7", "country": None, "browser": "Firefox", "os": "Linux"}
    assert body["device"]["reason"] == "first_device"
    signed = {name.lower(): value for name, value in headers.items()}
    import json

    assert Webhook(settings.RISK_API_SECRET).verify(json.dumps(body), signed) is not None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(status=500, body=b""), id="500"),
        pytest.param(Answer(status=429, body=b""), id="too many requests"),
        pytest.param(
            Answer(status=503, headers={"Retry-After": "1 Jan 99999999999 00:00:00 GMT"}), id="until no moment there is"
        ),
        pytest.param(Answer(status=401, body=b"the clock is wrong"), id="not authentic"),
        pytest.param(Answer(status=404, body=b"<html>"), id="not there"),
        pytest.param(Answer(status=302, body=b"", headers={"Location": "/"}), id="moved"),
        pytest.param(Answer(status=302, body=b"", headers={"Location": "http://xn--a..b/"}), id="moved to no host"),
        pytest.param(
            Answer(body=b'{"version":1,"id":"\\u0000","score":0,"level":"low","decision":"allow","reasons":[]}'),
            id="NUL",
        ),
        pytest.param(Answer(body=b"<html>"), id="not JSON"),
        pytest.param(Answer(body=b"\xff\xfe"), id="not text"),
        pytest.param(Answer(body=b"null"), id="null"),
        pytest.param(Answer(body=b'{"version": 2}'), id="another version"),
        pytest.param(Answer(body=b'{"version":1,"id":"x","score":"0","level":"low"}'), id="wrong types"),
        pytest.param(
            Answer(body=b'{"version":1,"id":"x","score":101,"level":"low","decision":"allow","reasons":[]}'),
            id="out of range",
        ),
        pytest.param(Answer(body=b" " * (risk_api.LONGEST_ANSWER + 1)), id="huge"),
    ],
)
def test_a_risk_service_that_errs_is_asked_again_later(run: Run, risk: RiskService, answer: Answer) -> None:
    risk.answer = answer
    with pytest.raises(TryAgain) as again:
        ask(run)

    assert 0 < again.value.delay <= steps.LONGEST_RISK_DELAY
    run.refresh_from_db()
    assert run.state == Run.State.RETRYING
    assert "risk service" in step_of(run, Name.POST_TO_RISK_API).error


def test_a_risk_service_that_is_down_is_asked_again_later(run: Run, settings: Settings) -> None:
    settings.RISK_API_URL = "http://127.0.0.1:1"

    with pytest.raises(TryAgain):
        ask(run)


def test_a_risk_service_that_is_too_slow_is_asked_again_later(run: Run, settings: Settings) -> None:
    import socket

    settings.RISK_API_TIMEOUT = 0.1
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.RISK_API_URL = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TryAgain):
            ask(run)


def test_a_risk_service_says_how_long_to_stay_away(run: Run, risk: RiskService) -> None:
    risk.answer = Answer(status=503, body=b"", headers={"Retry-After": "120"})

    with pytest.raises(TryAgain) as again:
        ask(run)

    assert 120 <= again.value.delay <= 121


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Sun, 01 Mar 2026 22:07:00 GMT", 120),
        ("Sunday, 01-Mar-26 22:07:00 GMT", 120),
        ("Sun Mar  1 22:07:00 2026", 120),
        ("Sun, 01 Mar 2026 23:07:00 +0100", 120),
        ("Sun, 01 Mar 2026 21:00:00 GMT", 0),
        (" 7 ", 7),
        ("86400", 86_400),
        ("9" * 400, 999_999_999),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        # No moment that a clock or a calendar has.
        ("1 Jan 99999999999 00:00:00 GMT", None),
        ("Sun, 01 Mar 2026 22:07:00 +9999999999999999", None),
        ("Sun, 32 Mar 2026 22:07:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    import httpx

    with time_machine.travel(datetime(2026, 3, 1, 22, 5, tzinfo=UTC), tick=False):
        assert risk_api._retry_after(httpx.Headers({"Retry-After": value})) == seconds


def test_the_pauses_between_posts_of_a_sign_in_double_up_to_a_limit_with_a_half_by_chance() -> None:
    for attempt, most in enumerate([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300], start=1):
        delays = {steps._risk_delay(attempt, None) for _ in range(20)}
        assert most / 2 <= min(delays) < max(delays) <= most
    asked = {steps._risk_delay(3, 10_000) for _ in range(20)}
    assert steps.LONGEST_RISK_DELAY <= min(asked) < max(asked) <= steps.LONGEST_RISK_DELAY + 4


def come_back_after_the_budget(run: Run) -> None:
    """It was asked once; then nobody was there to ask again until the time for it was over."""
    with pytest.raises(TryAgain):
        ask(run)
    long_ago = timezone.now() - timedelta(hours=6, seconds=1)
    run.steps.filter(name=Name.POST_TO_RISK_API).update(started_at=long_ago, leased_until=None)


def test_a_risk_service_that_a_person_has_asked_again_is_asked_with_short_pauses_at_first(
    run: Run, risk: RiskService
) -> None:
    risk.answer = Answer(status=404, body=b"")
    for _ in range(9):
        with pytest.raises(TryAgain) as again:
            ask(run)
        end_the_lease(run, Name.POST_TO_RISK_API)
    assert again.value.delay >= 128
    ledger.fail_step(run.pk, Name.POST_TO_RISK_API, "over")
    runs.reopen_failed_runs()

    with pytest.raises(TryAgain) as again:
        ask(run)
    assert again.value.delay <= steps.FIRST_RISK_DELAY
    assert step_of(run, Name.POST_TO_RISK_API).attempts == 11


def test_after_its_budget_the_risk_service_is_asked_once_more(run: Run, risk: RiskService) -> None:
    risk.answer = Answer(status=503, body=b"")
    come_back_after_the_budget(run)
    risk.will_say(ALLOW)

    assert ask(run) == ALLOW


def test_after_its_budget_it_is_asked_once_more_and_not_again(run: Run, risk: RiskService) -> None:
    risk.answer = Answer(status=503, body=b"")
    come_back_after_the_budget(run)
    risk.answer = Answer(status=500, body=b"at last")

    with pytest.raises(risk_api.RiskApiAway, match=r"no assessment within 6:00:00: .*500: at last"):
        ask(run)
    assert len(risk.requests) == 2


def test_after_its_budget_the_time_limit_is_the_end_too(
    run: Run, risk: RiskService, monkeypatch: pytest.MonkeyPatch
) -> None:
    risk.answer = Answer(status=503, body=b"")
    come_back_after_the_budget(run)
    monkeypatch.setattr(risk_api, "assess", raising(SoftTimeLimitExceeded()))

    with pytest.raises(risk_api.RiskApiAway, match="no assessment within 6:00:00: no answer within the time limit"):
        ask(run)


def test_a_refusal_by_the_risk_service_is_final(run: Run, risk: RiskService) -> None:
    risk.answer = Answer(status=422, body=b"no such\0 version")

    with pytest.raises(risk_api.RiskApiRefused, match="422: no such  version"):
        ask(run)


def test_a_verdict_against_a_sign_in_is_reported_and_under_enforcement_ends_its_session(
    make_run: Callable[..., Run], risk: RiskService, settings: Settings, alice: User
) -> None:
    from django.test import Client

    risk.will_say(DENY)
    for enforce, left in (("report", 1), ("enforce", 0)):
        settings.LOGINWATCH_ENFORCE = enforce
        client = Client(REMOTE_ADDR="192.0.2.7")
        client.force_login(alice)
        denied = Run.objects.latest("created_at")
        do_all(denied)
        assert client.get("/security/").status_code == (200 if left else 302)


def test_until_it_is_tried_again_no_other_copy_of_its_message_asks_the_risk_service(
    run: Run, risk: RiskService
) -> None:
    risk.answer = Answer(status=503, body=b"", headers={"Retry-After": "120"})
    with pytest.raises(TryAgain):
        ask(run)

    with pytest.raises(StepTaken):
        ask(run)
    assert len(risk.requests) == 1

    end_the_lease(run, Name.POST_TO_RISK_API)
    risk.will_say(ALLOW)
    assert ask(run) == ALLOW


def test_the_risk_service_is_told_the_same_at_each_attempt(run: Run, risk: RiskService) -> None:
    risk.answer = Answer(status=503, body=b"")
    with pytest.raises(TryAgain):
        ask(run)
    SecurityEvent.objects.create(
        kind=SecurityEvent.Kind.SIGN_IN_FAILED, user=run.sign_in.user, created_at=run.sign_in.created_at
    )
    end_the_lease(run, Name.POST_TO_RISK_API)
    risk.will_say(ALLOW)
    ask(run)

    first, second = (body for _, body in risk.requests)
    assert first == second
