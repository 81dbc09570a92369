"""Handing messages of bulk jobs to the broker, in bounded time. What it does not take, the sweep hands over later."""

from __future__ import annotations

import logging

from celery import current_app
from django.conf import settings
from kombu.exceptions import ConnectionLimitExceeded, OperationalError

from workflows.publishing import ONCE, impatient_connection

logger = logging.getLogger(__name__)


def send(task: str, *messages: tuple[str | int, ...]) -> bool:
    """Publish the task of this name once for the arguments of each message; False where the broker did not take all."""
    try:
        with impatient_connection(settings.PUBLISH_TIMEOUT) as connection:
            for arguments in messages:
                signature = current_app.tasks[f"workflows.bulk.tasks.{task}"].si(*arguments)
                signature.apply_async(connection=connection, retry_policy=ONCE, add_to_parent=False)
    except (OperationalError, ConnectionLimitExceeded) as error:
        logger.warning("the broker does not take bulk jobs, which are left to the sweep: %s", error)
        return False
    return True
