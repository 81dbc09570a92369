"""Messages that a worker drops because it cannot read them, or knows no such task: alerts, for whoever sent them.

Of a run that may be one of the site's own, recovery publishes another.
"""

from __future__ import annotations

import logging
from typing import Any

from celery.signals import task_rejected, task_unknown
from django.db import DatabaseError, InterfaceError, connection
from django.utils.text import Truncator

from workflows.alerting.alerts import raise_alert
from workflows.models import Alert

logger = logging.getLogger(__name__)

# Characters of what a message says of itself: whoever reaches the broker can write anything there.
LONGEST = 100


@task_unknown.connect
def on_unknown_task(message: Any, name: str, id: str, **kwargs: Any) -> None:  # noqa: A002  Celery's name
    note(message, "no worker knows this task")


@task_rejected.connect
def on_rejected_task(message: Any, exc: Exception | None, **kwargs: Any) -> None:
    note(message, f"it is no task ({type(exc).__name__})" if exc else "it is no task")


def note(message: Any, why: str) -> None:
    """Raise an alert that names the task and tells where its message came from: its arguments may be secrets.

    Called in the process that takes messages for all others, which goes on where the database is away: then it is in
    the log alone.
    """
    text = f"{_facts_of(message)}: {why}"
    try:
        raise_alert(Alert.Kind.DEAD_LETTER, text)
    except (DatabaseError, InterfaceError):
        logger.exception("a message was dropped, and no alert could be raised: %s", text)
    finally:
        # This process needs the database for nothing else, and is forked.
        connection.close()


def _facts_of(message: Any) -> str:
    headers = message.headers if isinstance(message.headers, dict) else {}
    delivery = message.delivery_info or {}
    facts = {
        "task": headers.get("task"),
        "id": headers.get("id"),
        "queue": delivery.get("routing_key"),
        "sent by": headers.get("origin"),
        "type": message.content_type,
        "bytes": len(message.body or b""),
    }
    return ", ".join(f"{name} {_printable(value)}" for name, value in facts.items() if value is not None)


def _printable(value: object) -> str:
    text = "".join(character if character.isprintable() else " " for character in str(value))
    return Truncator(text).chars(LONGEST)
