"""The site's Celery app, for workers beside which no beat runs: `celery -A tests.live.patient worker`.

What the broker is slow to take on a busy machine would be left to a sweep that never comes.
"""

from __future__ import annotations

from typing import Any

from celery.signals import worker_process_init

from loginwatch.celery import app as app


@worker_process_init.connect
def be_patient(**kwargs: Any) -> None:
    from django.conf import settings

    from workflows import publishing  # it knows models, which may not be imported before Django is set up

    settings.PUBLISH_TIMEOUT = 5.0
    publishing.SLOW = 60.0
