"""Errors as application/problem+json (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from flask import Response
from pydantic_core import ErrorDetails

CONTENT_TYPE = "application/problem+json"

# A body of 64 KiB can hold thousands of faults; the first ones say enough.
FAULTS_MOST = 20


class Problem(Exception):
    """A refusal: `detail` is a sentence for the caller's engineer, `errors` the faults of a body."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}


def body(status: int, detail: str, errors: Sequence[Mapping[str, str]] = ()) -> bytes:
    """The JSON of a problem. Its type is about:blank: the status says what kind it is (RFC 9457, 4.2.1)."""
    members: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    if errors:
        members["errors"] = errors
    return json.dumps(members).encode()


def response(problem: Problem) -> Response:
    return Response(
        body(problem.status, problem.detail, problem.errors),
        status=problem.status,
        headers=problem.headers,
        content_type=CONTENT_TYPE,
    )


def faults(errors: Sequence[ErrorDetails]) -> list[dict[str, str]]:
    """pydantic's errors as RFC 9457's example writes them: a JSON Pointer (RFC 6901) and a detail.

    The values that were sent are left out.
    """
    return [{"pointer": _pointer(error["loc"]), "detail": error["msg"]} for error in errors[:FAULTS_MOST]]


def _pointer(location: Sequence[int | str]) -> str:
    return "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)
