"""The service as it is run: gunicorn, a port, a file; killed, restarted, asked twice at once, and misused."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest

from tests.riskapi.caller import HOTEL, as_json, facts, headers
from tests.riskapi.server import PATIENCE_SECONDS, RiskServer

AT_ONCE = 4  # the threads of riskapi/gunicorn.conf.py


def post(server: RiskServer, asked: dict[str, Any], *, key: str) -> httpx.Response:
    body = as_json(asked)
    return httpx.post(f"{server.url}/v1/assessments", content=body, headers=headers(body, key=key))


def codes(answer: httpx.Response) -> list[str]:
    return [reason["code"] for reason in answer.json()["reasons"]]


def spoken(server: RiskServer, request: bytes) -> bytes:
    """All that the server says to these bytes until it closes the connection."""
    url = httpx.URL(server.url)
    with closing(socket.create_connection((url.host, url.port or 80), timeout=PATIENCE_SECONDS)) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_answers_and_history_survive_kill_9(server: RiskServer) -> None:
    first = post(server, facts(), key="run-1")
    server.kill()
    server.start()
    again = post(server, facts(), key="run-1")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert codes(post(server, facts(), key="run-2")) == []
    assert codes(post(server, facts(ip=HOTEL), key="run-3")) == ["new_network"]


def test_one_key_at_once_makes_one_assessment(server: RiskServer, store_path: Path) -> None:
    start = Barrier(AT_ONCE)

    def together(key: str) -> httpx.Response:
        start.wait(timeout=PATIENCE_SECONDS)
        return post(server, facts(subject=key), key=key)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for key in ("run-1", "run-2", "run-3"):
            answers = list(threads.map(together, [key] * AT_ONCE))

            assert sorted(answer.status_code for answer in answers) == [200] * (AT_ONCE - 1) + [201]
            assert len({answer.content for answer in answers}) == 1
    with closing(sqlite3.connect(store_path)) as connection:
        assert connection.execute("SELECT count(*) FROM answer").fetchone() == (3,)


def broken_requests() -> Iterator[tuple[str, bytes, int]]:
    asked = b"POST /v1/assessments HTTP/1.1\r\nHost: risk\r\n"
    json_type = b"Content-Type: application/json\r\n"
    chunked = asked + json_type + b"Transfer-Encoding: chunked\r\n"
    yield "no HTTP", b"what?\r\n\r\n", 400
    yield "NUL in a header", asked + b"Idempotency-Key: a\x00b\r\n\r\n", 400
    yield "two lengths", asked + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400
    yield "very long path", b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", 414
    yield "very long header", asked + b"webhook-id: " + b"a" * 9_000 + b"\r\n\r\n", 431
    yield "very many headers", asked + b"A: b\r\n" * 200 + b"\r\n", 431
    yield "a chunk without a size", chunked + b"\r\nzz\r\n", 400
    yield "chunks of too much", chunked + b"Connection: close\r\n\r\n10001\r\n" + b"a" * 0x10001 + b"\r\n0\r\n\r\n", 413
    yield "a strange host", b"GET /nothing HTTP/1.1\r\nHost: a b<c>\r\nConnection: close\r\n\r\n", 404


@pytest.fixture(scope="module")
def lasting_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RiskServer]:
    folder = tmp_path_factory.mktemp("risk")
    running = RiskServer(folder=folder, store=folder / "risk.sqlite3")
    running.start()
    yield running
    running.kill()


@pytest.mark.parametrize(
    ("request_bytes", "status"), [pytest.param(sent, status, id=name) for name, sent, status in broken_requests()]
)
def test_broken_http_is_refused_with_a_problem(lasting_server: RiskServer, request_bytes: bytes, status: int) -> None:
    head, _, body = spoken(lasting_server, request_bytes).partition(b"\r\n\r\n")

    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    assert b"Content-Type: application/problem+json" in head
    assert body.count(b'"about:blank"') == 1 and b"<html" not in body


def test_doubled_headers_are_refused_by_name(lasting_server: RiskServer) -> None:
    body = as_json(facts())
    signed = [*headers(body).items()]
    doubled = next(pair for pair in signed if pair[0] == "webhook-signature")

    answer = httpx.post(f"{lasting_server.url}/v1/assessments", content=body, headers=[*signed, doubled])

    assert answer.status_code == 401
    assert "webhook-signature" in answer.json()["detail"]


def test_a_large_body_is_refused_and_the_service_goes_on(lasting_server: RiskServer) -> None:
    url, json_type = f"{lasting_server.url}/v1/assessments", {"content-type": "application/json"}
    large = httpx.post(url, content=b"a" * 1_000_000, headers=json_type)

    assert large.status_code == 413
    assert httpx.get(f"{lasting_server.url}/healthz").json() == {"status": "ok"}
