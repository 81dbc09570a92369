"""Every way to be refused: the right status, always a problem document, never a 500."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from riskapi import app as riskapp
from riskapi.store import Store
from tests.riskapi.caller import KEY_BYTES, SECRET, as_json, facts, headers

OTHER_SECRET = "whsec_" + "b3RoZXIg" * 4
MINUTE = timedelta(minutes=1)


def post(client: FlaskClient, body: str, **changed: str) -> TestResponse:
    """A signed post, with some headers changed after signing."""
    signed = headers(body) | {name.replace("_", "-"): value for name, value in changed.items()}
    return client.post("/v1/assessments", data=body.encode(), headers=signed)


def refused(answer: TestResponse, status: int) -> dict[str, Any]:
    """The members of a refusal, after checking its form."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    members: dict[str, Any] = answer.get_json()
    assert members["status"] == status
    assert members["type"] == "about:blank"
    assert members["title"] and members["detail"]
    assert SECRET not in answer.text and KEY_BYTES.decode() not in answer.text
    return members


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut"),
        pytest.param("score=1", id="a form"),
        pytest.param("\ufeff{}", id="byte order mark"),
        pytest.param('{"version": NaN}', id="NaN"),
        pytest.param('{"x": -Infinity}', id="infinity"),
        pytest.param('{"version": ' + "9" * 10_000 + "}", id="huge integer"),
        pytest.param("[" * 30_000 + "]" * 30_000, id="nested deeply"),
        pytest.param('{"x":' * 8_000 + "1" + "}" * 8_000, id="objects nested deeply"),
        pytest.param('{"subject": "\\ud800"}', id="lone surrogate"),
        pytest.param('{"subject": "a\x00"}', id="raw NUL"),
    ],
)
def test_what_is_not_json_is_a_bad_request(client: FlaskClient, body: str) -> None:
    assert "not JSON" in refused(post(client, body), 400)["detail"]


def test_what_is_not_utf_8_is_a_bad_request(client: FlaskClient) -> None:
    answer = client.post("/v1/assessments", data=b'{"subject": "\xff"}', headers=headers(""))

    assert "UTF-8" in refused(answer, 400)["detail"]


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "käse", "tab\there"])
def test_a_bad_idempotency_key_is_a_bad_request(client: FlaskClient, key: str) -> None:
    answer = post(client, as_json(facts()), idempotency_key=key)

    assert "Idempotency-Key" in refused(answer, 400)["detail"]


def test_a_missing_idempotency_key_is_a_bad_request(client: FlaskClient) -> None:
    body = as_json(facts())
    signed = headers(body)
    del signed["idempotency-key"]

    assert "Idempotency-Key" in refused(client.post("/v1/assessments", data=body, headers=signed), 400)["detail"]


def test_a_key_that_is_not_the_signed_id_is_a_bad_request(client: FlaskClient) -> None:
    body = as_json(facts())
    assert post(client, body).status_code == 201

    # Who overheard a request could else have it assessed anew, and take any key of the caller's.
    answer = post(client, body, idempotency_key="run-2")

    assert "webhook-id" in refused(answer, 400)["detail"]


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_signature_header_is_named(client: FlaskClient, name: str) -> None:
    body = as_json(facts())
    signed = headers(body)
    del signed[name]

    answer = client.post("/v1/assessments", data=body, headers=signed)

    assert f"The {name} header is missing." == refused(answer, 401)["detail"]
    assert answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("away", [-6 * MINUTE, 6 * MINUTE])
def test_a_signature_expires(client: FlaskClient, away: timedelta) -> None:
    body = as_json(facts())
    signed = headers(body, at=datetime.now(UTC) + away)

    answer = client.post("/v1/assessments", data=body, headers=signed)

    assert "webhook-timestamp" in refused(answer, 401)["detail"]


@pytest.mark.parametrize("away", [-4 * MINUTE, 4 * MINUTE])
def test_clocks_may_differ_a_little(client: FlaskClient, away: timedelta) -> None:
    body = as_json(facts())
    signed = headers(body, at=datetime.now(UTC) + away)

    assert client.post("/v1/assessments", data=body, headers=signed).status_code == 201


@pytest.mark.parametrize("timestamp", ["now", "NaN", "1e9", "-5", "999999999999", "9" * 400, "2026-03-01", "1.5"])
def test_a_strange_timestamp_is_refused(client: FlaskClient, timestamp: str) -> None:
    answer = post(client, as_json(facts()), webhook_timestamp=timestamp)

    assert "webhook-timestamp" in refused(answer, 401)["detail"]


@pytest.mark.parametrize(
    "signature", ["v1", "v1,", "v1,a", "v1,é", ",", " ", "v2,abcd", "v1a,abcd", "v1,AAAA,v1,AAAA", "x" * 5_000]
)
def test_a_strange_signature_is_refused(client: FlaskClient, signature: str) -> None:
    answer = post(client, as_json(facts()), webhook_signature=signature)

    assert "webhook-signature" in refused(answer, 401)["detail"]


def test_a_signature_covers_id_and_body_and_needs_the_secret(client: FlaskClient) -> None:
    body = as_json(facts())
    elsewhere = headers(body, secret=OTHER_SECRET)
    changed = headers(as_json(facts(failures=1)))

    refused(post(client, body, webhook_id="another"), 401)
    refused(client.post("/v1/assessments", data=body, headers=elsewhere), 401)
    refused(client.post("/v1/assessments", data=body, headers=changed), 401)


def test_one_valid_signature_among_several_is_enough(client: FlaskClient) -> None:
    body = as_json(facts())
    old = headers(body, secret=OTHER_SECRET)["webhook-signature"]
    signed = headers(body)
    signed["webhook-signature"] = f"{old} {signed['webhook-signature']}"

    assert client.post("/v1/assessments", data=body, headers=signed).status_code == 201


@pytest.mark.parametrize("name", ["idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature"])
def test_doubled_headers_never_break_it(client: FlaskClient, name: str) -> None:
    """As WSGI servers hand them over: joined by a comma."""
    body = as_json(facts())
    signed = headers(body)
    signed[name] = f"{signed[name]},{signed[name]}"

    answer = client.post("/v1/assessments", data=body, headers=signed)

    assert answer.status_code == (400 if name == "idempotency-key" else 401)


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        ("version", 2, "#/version"),
        ("version", True, "#/version"),
        ("version", "1", "#/version"),
        ("subject", "", "#/subject"),
        ("subject", "a" * 129, "#/subject"),
        ("subject", "a\x00b", "#/subject"),
        ("subject", None, "#/subject"),
        ("subject", {"$ne": 1}, "#/subject"),
        ("sign_in", [], "#/sign_in"),
        ("sign_in.id", "a" * 65, "#/sign_in/id"),
        ("sign_in.at", "2026-03-01T12:00:00", "#/sign_in/at"),
        ("sign_in.at", "2026-02-30T12:00:00Z", "#/sign_in/at"),
        ("sign_in.at", "2026-03-01 12:00:00Z", "#/sign_in/at"),
        ("sign_in.at", "2026-03-01T12:00:00+24:00", "#/sign_in/at"),
        ("sign_in.at", "1772366400", "#/sign_in/at"),
        ("sign_in.at", 1772366400, "#/sign_in/at"),
        ("device.id", "", "#/device/id"),
        ("device.status", "stolen", "#/device/status"),
        ("device.reason", "Not A Code", "#/device/reason"),
        ("device.reason", "", "#/device/reason"),
        ("client.ip", "192.0.2.300", "#/client/ip"),
        ("client.ip", "192.0.2.0/24", "#/client/ip"),
        ("client.ip", "fe80::1%eth0", "#/client/ip"),
        ("client.ip", "", "#/client/ip"),
        ("client.ip", 3221225985, "#/client/ip"),
        ("client.country", "pt", "#/client/country"),
        ("client.country", "PRT", "#/client/country"),
        ("client.country", "P\n", "#/client/country"),
        ("client.browser", None, "#/client/browser"),
        ("client.os", "x" * 129, "#/client/os"),
        ("recent_failures", -1, "#/recent_failures"),
        ("recent_failures", 1.0, "#/recent_failures"),
        ("recent_failures", 2**31, "#/recent_failures"),
        ("recent_failures", 10**100, "#/recent_failures"),
        ("recent_failures", False, "#/recent_failures"),
        ("device.~/\x00", 1, "#/device/~0~1\x00"),
    ],
)
def test_a_fault_of_a_member_is_pointed_at(client: FlaskClient, path: str, value: object, pointer: str) -> None:
    asked = facts()
    *outer, member = path.split(".")
    (asked[outer[0]] if outer else asked)[member] = value

    members = refused(post(client, as_json(asked)), 422)

    assert {error["pointer"] for error in members["errors"]} == {pointer}
    assert all(error["detail"] for error in members["errors"])


@pytest.mark.parametrize("body", ["[]", "null", '"x"', "1e400", "{}"])
def test_json_of_another_shape_is_unprocessable(client: FlaskClient, body: str) -> None:
    assert refused(post(client, body), 422)["errors"]


def test_the_list_of_faults_stays_short(client: FlaskClient) -> None:
    body = as_json({**facts(), **{f"more{number}": 0 for number in range(2_000)}})

    assert len(refused(post(client, body), 422)["errors"]) == 20


def test_a_refused_request_leaves_its_key_unused(client: FlaskClient) -> None:
    refused(post(client, as_json({**facts(), "more": 1})), 422)

    assert post(client, as_json(facts())).status_code == 201


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_another_content_type_is_refused(client: FlaskClient, content_type: str) -> None:
    refused(post(client, as_json(facts()), content_type=content_type), 415)


def test_a_body_of_64_kib_is_read_and_a_larger_one_refused(client: FlaskClient) -> None:
    body = as_json(facts())

    assert post(client, body.ljust(64 * 1024)).status_code == 201
    refused(post(client, body.ljust(64 * 1024 + 1)), 413)


@pytest.mark.parametrize(
    "path", ["/", "/v1/assessments/", "//v1/assessments", "/v2/assessments", "/static/x", "/%00%ff"]
)
def test_other_paths_are_not_found(client: FlaskClient, path: str) -> None:
    refused(client.get(path), 404)


def test_other_methods_are_not_allowed(client: FlaskClient) -> None:
    answer = client.get("/v1/assessments")

    refused(answer, 405)
    assert "POST" in answer.headers["Allow"]
    refused(client.post("/healthz"), 405)


def test_a_locked_store_is_a_passing_fault(
    client: FlaskClient, store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("riskapi.store.BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(store_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = post(client, as_json(facts()))
        refused(answer, 503)
        assert answer.headers["Retry-After"] == "1"
        assert client.get("/healthz").status_code == 200
        other.execute("ROLLBACK")

    assert post(client, as_json(facts())).status_code == 201


def test_health_is_bad_without_the_store(client: FlaskClient, store_path: Path) -> None:
    store_path.unlink()

    refused(client.get("/healthz"), 503)
    assert not store_path.exists()


def test_a_fault_of_the_program_is_a_problem_document_too(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("inner workings")

    monkeypatch.setattr(riskapp, "judge", broken)
    answer = post(client, as_json(facts()))

    refused(answer, 500)
    assert "inner workings" not in answer.text
    store: Store = app.extensions["store"]
    store.check()
    monkeypatch.undo()
    assert post(client, as_json(facts())).status_code == 201
