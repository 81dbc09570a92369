"""The site's Celery app, for workers that die where it was planned: `celery -A tests.crashes.app worker -B`."""

from __future__ import annotations

import gc
from typing import Any

from celery.signals import worker_init, worker_process_init

from loginwatch.celery import app as app

# Seconds between two calls of what heals. What else beat calls would take the workers' time, so often.
TICK = 1.0
HEALING = ("recover", "publish-due-chords", "deliver-notices")

app.conf.beat_schedule = {name: {**app.conf.beat_schedule[name], "schedule": TICK} for name in HEALING}


@worker_init.connect
def load_early(**kwargs: Any) -> None:
    """What each child would load at its first task: there are many children, which inherit it."""
    from accounts.families import families_of

    families_of("any browser")
    gc.freeze()  # Celery collects garbage before each birth, and nothing that is there now ever becomes any


@worker_process_init.connect
def die_as_planned(**kwargs: Any) -> None:
    """In a child, not in the worker itself: whatever it plans to kill, the worker is there to notice."""
    from tests.crashes import hooks, patience  # they know models, which may not be imported before Django is set up

    patience.change_patience()
    hooks.die_as_planned()
