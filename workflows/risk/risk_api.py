"""Asking the risk service about a sign-in. The contract, of which this is one side: docs/risk-api.md."""

from __future__ import annotations

import functools
import json
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from pydantic import BaseModel, Field, ValidationError
from standardwebhooks import Webhook

from accounts.models import SignIn

# Far more than an assessment has; what is longer is not one.
LONGEST_ANSWER = 64 * 1024
# What is wrong with the request stays wrong: bad, too large, of another type or version. Anything else may pass, also
# a 401 (a clock or a secret is put right) or a 404 (the service is being deployed).
FINAL = {400, 413, 415, 422}
# No control characters: a database or a page may not take them.
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"


class RiskApiAway(Exception):
    """The service did not answer, or not with an assessment: it may do so later.

    ``retry_after`` is what it asked for, in seconds. ``is_fault``: the service is not well; it is where it says
    that it does not know this site or this address (another 4xx), which may be its clock or a secret.
    """

    def __init__(self, reason: str, retry_after: float | None = None, *, is_fault: bool = True) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.is_fault = is_fault


class RiskApiRefused(Exception):
    """The service does not take what this site sends (a wrong secret, another version): a person has to look."""


class Reason(BaseModel):
    code: str = Field(max_length=64, pattern=PRINTABLE)
    text: str = Field(max_length=500, pattern=PRINTABLE)
    points: int = Field(ge=0, le=100)


class Assessment(BaseModel, strict=True):
    version: Literal[1]
    id: str = Field(min_length=1, max_length=64, pattern=PRINTABLE)
    score: int = Field(ge=0, le=100)
    level: Literal["low", "medium", "high"]
    decision: Literal["allow", "challenge", "deny"]
    reasons: list[Reason] = Field(max_length=50)


def host() -> str:
    """Of the service, with its port where it has one: no user, no password."""
    parts = urlsplit(settings.RISK_API_URL)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def assess(sign_in: SignIn, recent_failures: int, *, key: str) -> dict[str, Any]:
    """The service's assessment: id, score (0 to 100), level, decision, reasons.

    ``key`` is the Idempotency-Key: asking twice with the same one gives the same assessment. Raises RiskApiAway
    or RiskApiRefused.
    """
    body = json.dumps(_facts(sign_in, recent_failures)).encode()
    try:
        status, headers, answer = _post(body, key)
    except (httpx.HTTPError, UnicodeError) as error:  # this, where a redirect leads to a host that is none
        raise RiskApiAway(f"the risk service did not answer: {error or type(error).__name__}") from error
    if status in FINAL:
        raise RiskApiRefused(f"the risk service answered {status}: {_text(answer)}")
    if status not in (httpx.codes.OK, httpx.codes.CREATED):
        is_fault = not httpx.codes.is_client_error(status) or status == httpx.codes.TOO_MANY_REQUESTS
        raise RiskApiAway(
            f"the risk service answered {status}: {_text(answer)}", _retry_after(headers), is_fault=is_fault
        )
    try:
        return Assessment.model_validate_json(answer).model_dump()
    except ValidationError as error:
        raise RiskApiAway(f"the risk service's answer is not an assessment: {_first_fault(error)}") from error


def _post(body: bytes, key: str) -> tuple[int, httpx.Headers, bytes]:
    """Post, and read the answer. No silence may last RISK_API_TIMEOUT seconds, nor the body take longer as a whole; the
    task's time limit bounds the rest.
    """
    deadline = time.monotonic() + settings.RISK_API_TIMEOUT
    now = datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        # Unpacking could make a small answer a huge one before its length is seen.
        "Accept-Encoding": "identity",
        "Idempotency-Key": key,
        "webhook-id": key,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(settings.RISK_API_SECRET).sign(key, now, body.decode()),
    }
    url = f"{settings.RISK_API_URL}/v1/assessments"
    timeout = httpx.Timeout(settings.RISK_API_TIMEOUT)
    answer = b""
    with _client().stream("POST", url, content=body, headers=headers, timeout=timeout) as response:
        for chunk in response.iter_raw():
            answer += chunk
            if len(answer) > LONGEST_ANSWER:
                raise RiskApiAway("the risk service's answer is far too long")
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("its answer took too long")
        return response.status_code, response.headers, answer


@functools.cache
def _client() -> httpx.Client:
    """One a process, as making one takes longer (some 30 ms, for its certificates) than all else that a post costs.

    It keeps no connection: one that the service ended meanwhile would be found out by a post that fails.
    """
    return httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))


def _facts(sign_in: SignIn, recent_failures: int) -> dict[str, Any]:
    return {
        "version": 1,
        "subject": str(sign_in.user.uuid),
        "sign_in": {"id": str(sign_in.pk), "at": sign_in.created_at.isoformat()},
        "device": {
            "id": str(sign_in.device_id) if sign_in.device_id else None,
            "status": sign_in.device_status,
            "reason": sign_in.device_reason,
        },
        "client": {
            "ip": sign_in.ip_address,
            "country": sign_in.country or None,
            "browser": sign_in.browser,
            "os": sign_in.os,
        },
        "recent_failures": recent_failures,
    }


def _text(answer: bytes) -> str:
    """The beginning of an answer, as a line that can be stored and shown."""
    text = answer[:500].decode(errors="replace")
    return "".join(character if character.isprintable() else " " for character in text)


def _retry_after(headers: httpx.Headers) -> float | None:
    """What a Retry-After header asks for, in seconds: it says so, or gives a date (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # no date, or of no moment that there is
        return None
    # A date in the form of the C library is without a zone, and means this one.
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max((date - datetime.now(UTC)).total_seconds(), 0.0)


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, fault['loc']))} {fault['msg']}".strip()
