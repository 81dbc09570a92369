"""What a caller of the risk service does: write down a sign-in's facts and sign the request."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

KEY_BYTES = b"a key that only the tests' two sides have"
SECRET = "whsec_" + base64.b64encode(KEY_BYTES).decode()

HOME = "192.0.2.17"
HOTEL = "198.51.100.4"


def facts(
    *,
    subject: str = "ada",
    status: str = "known",
    reason: str = "cookie",
    ip: str | None = HOME,
    country: str | None = "PT",
    failures: int = 0,
) -> dict[str, Any]:
    """A valid request: Ada at home, on the computer she always uses."""
    return {
        "version": 1,
        "subject": subject,
        "sign_in": {"id": "4711", "at": "2026-03-01T12:00:00+01:00"},
        "device": {"id": "d-1", "status": status, "reason": reason},
        "client": {"ip": ip, "country": country, "browser": "Firefox", "os": "Linux"},
        "recent_failures": failures,
    }


def as_json(asked: dict[str, Any]) -> str:
    return json.dumps(asked)


def headers(body: str, *, key: str = "run-1", secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    """The headers of a signed request; its message has the same id as its idempotency key."""
    now = at or datetime.now(UTC)
    return {
        "content-type": "application/json",
        "idempotency-key": key,
        "webhook-id": key,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(msg_id=key, timestamp=now, data=body),
    }
