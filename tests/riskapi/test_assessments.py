"""POST /v1/assessments when all goes well, what it remembers, and what a key means."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from riskapi.schema import Assessment
from tests.riskapi.caller import HOTEL, as_json, facts, headers


def post(client: FlaskClient, asked: dict[str, Any], *, key: str) -> TestResponse:
    body = as_json(asked)
    return client.post("/v1/assessments", data=body, headers=headers(body, key=key))


def codes(answer: TestResponse) -> list[str]:
    return [reason["code"] for reason in answer.get_json()["reasons"]]


def test_a_sign_in_is_assessed(client: FlaskClient) -> None:
    answer = post(client, facts(status="new", reason="no_match"), key="run-1")

    assert answer.status_code == 201
    assert answer.content_type == "application/json"
    assert "Idempotent-Replayed" not in answer.headers
    members = answer.get_json()
    assert members.items() >= {"version": 1, "score": 30, "level": "medium", "decision": "challenge"}.items()
    assert members["reasons"] == [
        {"code": "new_device", "text": "This device has not signed in to this account before.", "points": 30}
    ]
    assert UUID(members["id"])
    assert members["assessed_at"].endswith("Z")
    assert Assessment.model_validate_json(answer.data)


def test_a_key_gets_its_answer_again_byte_for_byte(client: FlaskClient) -> None:
    first = post(client, facts(), key="run-1")
    again = post(client, facts(), key="run-1")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.data == first.data


def test_the_same_request_spelled_differently_is_a_replay(client: FlaskClient) -> None:
    first = post(client, facts(ip="2001:db8::1"), key="run-1")
    turned = dict(reversed(facts(ip="2001:0DB8:0::1").items()))

    assert post(client, turned, key="run-1").data == first.data


def test_a_key_with_another_body_is_refused(client: FlaskClient) -> None:
    post(client, facts(), key="run-1")
    answer = post(client, facts(failures=1), key="run-1")

    assert answer.status_code == 422
    assert "different body" in answer.get_json()["detail"]
    assert "errors" not in answer.get_json()


def test_another_key_gets_another_answer(client: FlaskClient) -> None:
    answers = [post(client, facts(), key=key) for key in ("run-1", "run-2")]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].get_json()["id"] != answers[1].get_json()["id"]


def test_networks_and_countries_are_learnt_per_subject(client: FlaskClient) -> None:
    post(client, facts(), key="run-1")
    away = facts(ip=HOTEL, country="JP")

    assert codes(post(client, away, key="run-2")) == ["new_network", "new_country"]
    assert codes(post(client, away, key="run-3")) == []
    assert codes(post(client, facts(subject="grace", ip=HOTEL), key="run-4")) == []


def test_history_written_by_a_key_is_not_seen_by_its_replay(client: FlaskClient) -> None:
    post(client, facts(), key="run-1")
    away = facts(ip=HOTEL)
    post(client, away, key="run-2")

    assert codes(post(client, away, key="run-2")) == ["new_network"]


def test_a_denied_sign_in_teaches_nothing(client: FlaskClient) -> None:
    post(client, facts(), key="run-1")
    denied = post(client, facts(ip=HOTEL, country="JP", status="new", reason="no_match"), key="run-2")

    assert denied.get_json()["decision"] == "deny"
    assert codes(post(client, facts(ip=HOTEL, country="JP"), key="run-3")) == ["new_network", "new_country"]


def test_an_ipv4_address_inside_ipv6_is_that_ipv4_address(client: FlaskClient) -> None:
    post(client, facts(ip="192.0.2.17"), key="run-1")

    assert codes(post(client, facts(ip="::ffff:192.0.2.99"), key="run-2")) == []


@pytest.mark.parametrize("at", ["2026-03-01T12:00:00Z", "2026-03-01t12:00:00.123456z", "2024-02-29T23:59:59-03:30"])
def test_times_of_rfc_3339_are_taken(client: FlaskClient, at: str) -> None:
    asked = facts()
    asked["sign_in"]["at"] = at

    assert post(client, asked, key="run-1").status_code == 201


def test_any_letters_of_any_script_are_taken(client: FlaskClient) -> None:
    assert post(client, facts(subject="Åsa 王 🦊"), key="!~" * 127 + "!").status_code == 201


def test_a_charset_in_the_content_type_changes_nothing(client: FlaskClient) -> None:
    body = as_json(facts())
    signed = headers(body) | {"content-type": "application/json; charset=utf-8"}

    assert client.post("/v1/assessments", data=body, headers=signed).status_code == 201


def test_schemas_are_published(client: FlaskClient) -> None:
    schemas = client.get("/v1/schema").get_json()

    assert set(schemas["request"]["required"]) == set(facts())
    assert schemas["request"]["additionalProperties"] is False
    assert set(schemas["response"]["required"]) >= {"id", "score", "level", "decision", "reasons", "assessed_at"}


def test_health_is_good_while_the_store_answers(client: FlaskClient) -> None:
    answer = client.get("/healthz")

    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_an_answer_outlives_the_application(app: Flask, client: FlaskClient) -> None:
    first = post(client, facts(), key="run-1")
    app.extensions["store"].close()

    assert post(client, facts(), key="run-1").data == first.data
