"""In which order a worker looks into its queues on Redis: as the settings name them, but for those that are paused.

Bulk jobs are left alone while all processes but one are at them: whoever signs in waits for none of their messages.
"""

from __future__ import annotations

from typing import Any

from celery.worker.state import reserved_requests
from kombu.utils.scheduling import priority_cycle

BULK = "bulk"
# The queues of which this process takes nothing now, and how many of its processes bulk jobs may have (consumer.py).
paused: set[str] = set()
most_bulk = 1
Base: Any = priority_cycle  # the stubs take it for an iterator


class InOrder(Base):  # type: ignore[misc]  # as it is untyped
    def consume(self, n: int) -> list[str]:
        """The queues to look into, of the first ``n``."""
        queues = [queue for queue in self.items[:n] if queue not in paused]
        if BULK in queues and len(self.items) > 1 and _at_bulk_jobs() >= most_bulk:
            queues.remove(BULK)
        return queues


def _at_bulk_jobs() -> int:
    return sum(request.delivery_info["routing_key"] == BULK for request in reserved_requests)
