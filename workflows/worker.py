"""What a worker does when it starts."""

from __future__ import annotations

from typing import Any

from celery.signals import worker_ready

from workflows import periodic


@worker_ready.connect
def recover_at_start(**kwargs: Any) -> None:
    """Look for runs that stand still at once, not only when beat says so the next time."""
    periodic.recover.delay()
