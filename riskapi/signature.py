"""Who may ask: the Standard Webhooks signature over id, time and body."""

from __future__ import annotations

import re
import time
from http import HTTPStatus

from standardwebhooks import Webhook, WebhookVerificationError
from werkzeug.datastructures import Headers

from riskapi.problems import Problem

HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
UNIX_TIME = re.compile(r"[0-9]{1,12}")

# The tolerance of the standardwebhooks library; looked at here as well so that the refusal can name the header.
TOLERANCE_SECONDS = 300


def verify(secret: bytes, body: bytes, headers: Headers) -> None:
    """Return when `body` (UTF-8) carries a valid signature; raise Problem 401 naming the header at fault."""
    given = {name: headers.get(name, "") for name in HEADERS}
    for name, value in given.items():
        if not value:
            raise _refusal(f"The {name} header is missing.")
    _check_time(given["webhook-timestamp"])
    try:
        Webhook(secret).verify(body, given, json_parse=False)
    # The library lets the ValueError of a signature that is not "v1,<base64>" through.
    except (WebhookVerificationError, ValueError):
        raise _refusal("The webhook-signature header holds no valid signature of this id, time and body.") from None


def _check_time(value: str) -> None:
    if not UNIX_TIME.fullmatch(value):
        raise _refusal("The webhook-timestamp header is not a Unix time in whole seconds.")
    if abs(time.time() - int(value)) > TOLERANCE_SECONDS:
        raise _refusal(f"The webhook-timestamp header is more than {TOLERANCE_SECONDS} seconds from now.")


def _refusal(detail: str) -> Problem:
    # RFC 9110 (15.5.2) asks every 401 to name a scheme; none is registered for these signatures.
    return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": "StandardWebhooks"})
