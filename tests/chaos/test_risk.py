"""What stands between the site and the risk service: it forwards faithfully, or is at fault as it is told."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from loginwatch.chaos.risk import Mood, RiskProxy
from tests.workflows.risk_service import ALLOW, RiskService, risk_service

pytestmark = pytest.mark.once

SLOW = 0.6


@pytest.fixture
def service() -> Iterator[RiskService]:
    with risk_service() as running:
        running.answer.headers = {"Content-Type": "application/json", "Retry-After": "7"}
        yield running


@pytest.fixture
def proxy(service: RiskService) -> Iterator[RiskProxy]:
    with RiskProxy(service.url, slow_seconds=SLOW) as running:
        yield running


def ask(proxy: RiskProxy, *, timeout: float = 10.0) -> httpx.Response:
    facts = {"version": 1}
    return httpx.post(f"{proxy.url}/v1/assessments", json=facts, headers={"Idempotency-Key": "a key"}, timeout=timeout)


def test_it_forwards_what_is_asked_and_what_is_answered(proxy: RiskProxy, service: RiskService) -> None:
    answer = ask(proxy)

    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (201, ALLOW, "7")
    [(headers, body)] = service.requests
    assert headers["Idempotency-Key"] == "a key"
    assert body == {"version": 1}


def test_while_it_is_down_nobody_listens_and_then_it_is_back(proxy: RiskProxy, service: RiskService) -> None:
    proxy.become(Mood.DOWN)
    with pytest.raises(httpx.ConnectError):
        ask(proxy)

    proxy.become(Mood.WELL)
    assert ask(proxy).status_code == 201
    assert len(service.requests) == 1


def test_an_error_reaches_no_service(proxy: RiskProxy, service: RiskService) -> None:
    proxy.become(Mood.ERROR)

    assert ask(proxy).status_code == 500
    assert service.requests == []


def test_garbage_is_no_json_though_the_service_has_answered(proxy: RiskProxy, service: RiskService) -> None:
    proxy.become(Mood.GARBAGE)

    answer = ask(proxy)

    with pytest.raises(ValueError, match=r"decode|Expecting"):
        json.loads(answer.content)
    assert len(service.requests) == 1


def test_a_huge_answer_is_more_than_anybody_wants(proxy: RiskProxy, service: RiskService) -> None:
    proxy.become(Mood.HUGE)

    with httpx.stream("POST", f"{proxy.url}/v1/assessments", json={}) as answer:
        read = 0
        for chunk in answer.iter_raw():
            read += len(chunk)
            if read > 1_000_000:
                break

    assert read > 1_000_000
    assert len(service.requests) == 1


def test_a_slow_answer_comes_when_its_client_may_have_gone(proxy: RiskProxy, service: RiskService) -> None:
    proxy.become(Mood.SLOW)
    with pytest.raises(httpx.ReadTimeout):
        ask(proxy, timeout=SLOW / 3)

    began = time.monotonic()
    assert ask(proxy).status_code == 201

    assert time.monotonic() - began > SLOW
    assert len(service.requests) == 2


def test_a_service_that_is_away_is_a_bad_gateway(service: RiskService) -> None:
    with RiskProxy("http://127.0.0.1:1") as proxy:
        assert ask(proxy).status_code == 502
