"""The routes of the service."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import uuid
from datetime import UTC, datetime
from http import HTTPStatus

from flask import Flask, Request, Response, current_app, jsonify, request
from pydantic import ValidationError
from pydantic_core import from_json
from werkzeug.exceptions import HTTPException

from riskapi import problems, signature
from riskapi.config import Config
from riskapi.problems import Problem
from riskapi.rule import History, judge, network_of
from riskapi.schema import Assessment, AssessmentRequest, json_schemas
from riskapi.store import Made, Question, Store

BODY_BYTES_MOST = 64 * 1024
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
RETRY_SECONDS = "1"


def create_app(config: Config) -> Flask:
    """The WSGI application. Raises StoreError when the store cannot be opened."""
    app = Flask("riskapi", static_folder=None)
    # One more than is taken: Flask cuts a body without a Content-Length off there and says nothing.
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MOST + 1
    app.url_map.merge_slashes = False  # a doubled slash is a 404, not a redirect
    store = Store(config.store)
    app.extensions["store"] = store

    @app.post("/v1/assessments")
    def assess() -> Response:
        body = _signed_body(request, config.secret)
        key = _idempotency_key(request)
        return _answer(store, key, _facts(body))

    @app.get("/v1/schema")
    def schema() -> Response:
        return jsonify(json_schemas())

    @app.get("/healthz")
    def healthz() -> Response:
        store.check()
        return jsonify(status="ok")

    app.register_error_handler(Problem, problems.response)
    app.register_error_handler(HTTPException, _http_problem)
    app.register_error_handler(sqlite3.DatabaseError, _store_problem)
    return app


def _signed_body(asked: Request, secret: bytes) -> bytes:
    """The body, once it is known to be text, small enough, and from somebody who has the secret."""
    if asked.mimetype != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The Content-Type header must be application/json.")
    body = _small_body(asked)
    try:
        body.decode()
    except UnicodeDecodeError:
        raise Problem(HTTPStatus.BAD_REQUEST, "The body is not UTF-8.") from None
    signature.verify(secret, body, asked.headers)
    return body


def _small_body(asked: Request) -> bytes:
    if (asked.content_length or 0) <= BODY_BYTES_MOST:
        body = asked.get_data(cache=False)
        if len(body) <= BODY_BYTES_MOST:
            return body
    raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {BODY_BYTES_MOST} bytes.")


def _idempotency_key(asked: Request) -> str:
    """The key of a request whose signature is valid, which covers the key as ``webhook-id`` only."""
    key = asked.headers.get("Idempotency-Key", "")
    if not IDEMPOTENCY_KEY.fullmatch(key):
        detail = "The Idempotency-Key header must be given, with 1 to 255 visible ASCII characters."
        raise Problem(HTTPStatus.BAD_REQUEST, detail)
    if key != asked.headers["webhook-id"]:
        detail = "The Idempotency-Key header must be the same as webhook-id, which is signed."
        raise Problem(HTTPStatus.BAD_REQUEST, detail)
    return key


def _facts(body: bytes) -> AssessmentRequest:
    """The request in the body. Raises Problem 400 when it is not JSON, 422 when it does not fit the schema."""
    try:
        members = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {error}.") from None
    try:
        return AssessmentRequest.model_validate(members)
    except ValidationError as error:
        errors = problems.faults(error.errors(include_url=False, include_input=False, include_context=False))
        detail = "The body does not fit the schema; see /v1/schema."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors) from None


def _answer(store: Store, key: str, facts: AssessmentRequest) -> Response:
    question = Question(
        key=key,
        # Of the values, not of the bytes: the same request spelled differently is still the same.
        fingerprint=hashlib.sha256(facts.model_dump_json().encode()).hexdigest(),
        subject=facts.subject,
        network=network_of(facts.client.ip),
        country=facts.client.country,
    )
    answer = store.answer_once(question, lambda history: _assessed(facts, history))
    if answer.fingerprint != question.fingerprint:
        detail = "The Idempotency-Key header was used before with a different body."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    if answer.replayed:
        return Response(answer.body, HTTPStatus.OK, {"Idempotent-Replayed": "true"}, content_type="application/json")
    return Response(answer.body, HTTPStatus.CREATED, content_type="application/json")


def _assessed(facts: AssessmentRequest, history: History) -> Made:
    judgement = judge(facts, history)
    now = datetime.now(UTC)
    assessment = Assessment(
        id=uuid.uuid4(),
        score=judgement.score,
        level=judgement.level,
        decision=judgement.decision,
        reasons=judgement.reasons,
        assessed_at=now,
    )
    return Made(body=assessment.model_dump_json(), learn=judgement.learn, at=now.isoformat())


def _http_problem(error: HTTPException) -> Response:
    """What Flask refuses by itself (404, 405) and what went wrong here (500, logged by Flask)."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return problems.response(Problem(status, error.description or status.description, headers=headers))


def _store_problem(error: sqlite3.DatabaseError) -> Response:
    current_app.logger.error("the store does not answer", exc_info=error)
    detail = "The store does not answer; try again later."
    return problems.response(Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": RETRY_SECONDS}))
