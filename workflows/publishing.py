"""Handing a run's canvas to the broker, in bounded time."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import current_app
from django.conf import settings
from kombu import Connection
from kombu.exceptions import ConnectionLimitExceeded, OperationalError
from kombu.pools import connections

from workflows import runs
from workflows.breaker import Breaker
from workflows.canvas import sign_in_canvas

logger = logging.getLogger(__name__)

# A retry policy of no retries. Celery's retry=False is another thing: it waits 6 s for a broker that refuses.
ONCE = {"max_retries": 0}
# Seconds for which a broker that did not take a run is not offered another: as often as recovery looks.
REST = 5.0
breaker = Breaker(REST)


def publish(run_id: UUID) -> bool:
    """Publish the run's canvas; False where the broker did not take it in time, and recovery will.

    Publishing a run again is always safe: steps that are done do not act again. After a failure the broker is not
    asked again for a while, so that an outage costs the sign-ins behind the first one nothing.
    """
    if breaker.is_open:
        return False
    try:
        # Not a producer: a chain's apply_async drops that and takes one of the app's, with the app's patience.
        with connections[_connection()].acquire(block=True, timeout=settings.PUBLISH_TIMEOUT) as connection:
            sign_in_canvas(str(run_id)).apply_async(connection=connection, retry_policy=ONCE)
    except (OperationalError, ConnectionLimitExceeded) as error:
        breaker.trip()
        logger.warning(
            "run %s was not published and is left to recovery, as those of the next %g s: %s", run_id, REST, error
        )
        return False
    runs.mark_published(run_id)
    return True


def _connection() -> Connection:
    """A connection that gives up soon: the sign-in that publishes is waiting for its page."""
    seconds = settings.PUBLISH_TIMEOUT
    redis = {"socket_connect_timeout": seconds, "socket_timeout": seconds}
    amqp = {"read_timeout": seconds, "write_timeout": seconds}
    options = amqp if current_app.conf.broker_url.startswith("amqp") else redis
    connection: Connection = current_app.connection_for_write(connect_timeout=seconds, transport_options=options)
    return connection
