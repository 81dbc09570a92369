"""Tasks of the site itself."""

from __future__ import annotations

import threading
from typing import Any, cast

from celery import shared_task
from celery.signals import beat_init
from django.core.cache import cache, caches
from django.db import connections
from django.utils import timezone

from loginwatch import health, workers
from loginwatch.cache import DatabaseCache
from loginwatch.dashboard import site


@shared_task(ignore_result=True)
def heartbeat() -> None:
    """Scheduled by beat: that it arrives shows that beat, the broker and a worker are up."""
    health.record_heartbeat()


@shared_task(ignore_result=True)
def clear_cache() -> int:
    """Delete what has expired in the cache, most of it limits on sign-ins."""
    return cast(DatabaseCache, caches["default"]).clear_expired()


@shared_task(ignore_result=True)
def note_workers() -> None:
    """For the dashboard, which shall not wait for who answers; nor shall who signs in, for this process."""
    threading.Thread(target=_note_workers, name="note workers", daemon=True).start()


def _note_workers() -> None:
    try:
        cache.set(site.WORKERS_KEY, (timezone.now(), workers.ask()), timeout=None)
    finally:
        connections.close_all()


@beat_init.connect
def show_at_start(**kwargs: Any) -> None:
    """Beat calls a task for the first time after its interval; until then it, and workers, would seem to be missing."""
    heartbeat.delay()
    note_workers.delay()
