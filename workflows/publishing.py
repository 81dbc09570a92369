"""Handing a run's canvas to the broker, in bounded time."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import current_app
from django.conf import settings
from kombu import Connection
from kombu.exceptions import OperationalError
from kombu.pools import producers

from workflows import runs
from workflows.canvas import sign_in_canvas

logger = logging.getLogger(__name__)


def publish(run_id: UUID) -> bool:
    """Publish the run's canvas; False where the broker did not take it in time, and recovery will.

    Publishing a run again is always safe: steps that are done do not act again.
    """
    try:
        with producers[_connection()].acquire(block=True, timeout=settings.PUBLISH_TIMEOUT) as producer:
            sign_in_canvas(str(run_id)).apply_async(producer=producer, retry=False)
    except OperationalError as error:
        logger.warning("run %s was not published and is left to recovery: %s", run_id, error)
        return False
    runs.mark_published(run_id)
    return True


def _connection() -> Connection:
    """A connection that gives up soon: the sign-in that publishes is waiting for its page."""
    connection: Connection = current_app.connection_for_write(
        transport_options={
            "socket_connect_timeout": settings.PUBLISH_TIMEOUT,
            "socket_timeout": settings.PUBLISH_TIMEOUT,
            "max_retries": 0,
        }
    )
    return connection
