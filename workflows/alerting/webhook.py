"""Alerts as an event for another program, which is told of many at a time, as the operators are by mail.

It is posted as Standard Webhooks has it (https://www.standardwebhooks.com/): JSON, with an id, a time and a signature.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook

from accounts.database import insist
from workflows.alerting import alerts, episodes
from workflows.alerting.episodes import Message
from workflows.models import Alert

logger = logging.getLogger(__name__)

# By which operators are told.
WAY = "webhook"
# What is older is no news, and without a webhook there is all the more of it.
POST_WITHIN = timedelta(days=1)
# Seconds: for the connection, and for each silence.
TIMEOUT = 5.0


class NotTaken(Exception):
    """The receiver did not answer, or not with a 2xx."""


def post_alerts() -> int:
    """Post one event of all alerts that were not posted yet; returns how many it tells of.

    That is 0 where there is no webhook, within the pause of an episode, and where it was not taken: the next call
    tries again. Mails are another matter (alerts.tell_operators): neither waits for the other.
    """
    unposted = Alert.objects.filter(posted_at=None, created_at__gte=timezone.now() - POST_WITHIN)
    # In the order of their index.
    message = episodes.claim(unposted.order_by("created_at", "pk"), WAY) if settings.OPERATOR_WEBHOOK_URL else None
    if message is None:
        return 0
    number = len(message.alerts)
    try:
        _post(f"alerts_{message.id}", json.dumps(_event(message)))
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, NotTaken) as error:
        reason = str(error) if isinstance(error, NotTaken) else type(error).__name__
        logger.error(
            "%d alerts could not be posted to %s, and will be later: %s",
            number,
            urlsplit(settings.OPERATOR_WEBHOOK_URL).hostname,  # its path may be a secret
            reason,
        )
        return 0
    insist(lambda: episodes.note_taken(message, posted_at=timezone.now()))
    return number


def _event(message: Message) -> dict[str, Any]:
    """``data``: how many there are of each kind, the newest of them, and how many its episode has had so far."""
    return {
        "type": "alerts.raised",
        "timestamp": message.alerts[-1].created_at.isoformat(),
        "data": {
            "site": settings.SITE_URL,
            "counts": message.counts,
            "alerts": [_described(alert) for alert in alerts.newest_of(message)],
            "episode": {
                "began_at": message.episode.began_at.isoformat(),
                "messages": message.episode.messages,
                "counts": message.episode.counts,
            },
            "alerts_url": settings.SITE_URL + reverse("admin:workflows_alert_changelist"),
        },
    }


def _described(alert: Alert) -> dict[str, Any]:
    return {
        "kind": alert.kind,
        "created_at": alert.created_at.isoformat(),
        "text": alerts.headline(alert.text),
        "url": alerts.url_of(alert),
    }


def _post(message_id: str, body: str) -> None:
    """Raises httpx.HTTPError, httpx.InvalidURL or NotTaken; UnicodeError where it is led to a host that is none.

    What the receiver says beside its status is not read.
    """
    now = datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(settings.OPERATOR_WEBHOOK_SECRET).sign(message_id, now, body),
    }
    with (
        httpx.Client(timeout=TIMEOUT, follow_redirects=False) as client,
        client.stream("POST", settings.OPERATOR_WEBHOOK_URL, content=body.encode(), headers=headers) as response,
    ):
        if not response.is_success:
            raise NotTaken(f"it answered {response.status_code}")
