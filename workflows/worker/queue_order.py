"""In which order a worker looks into its queues on Redis: as the settings name them, but for those that are paused."""

from __future__ import annotations

from typing import Any

from kombu.utils.scheduling import priority_cycle

# The queues of which this process takes nothing now (consumer.py).
paused: set[str] = set()
Base: Any = priority_cycle  # the stubs take it for an iterator


class InOrder(Base):  # type: ignore[misc]  # as it is untyped
    def consume(self, n: int) -> list[str]:
        """The queues to look into, of the first ``n``."""
        return [queue for queue in self.items[:n] if queue not in paused]
