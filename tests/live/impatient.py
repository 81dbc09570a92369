"""The site's Celery app, for workers that hand mails over at once: `celery -A tests.live.impatient worker`."""

from __future__ import annotations

from typing import Any

from celery.signals import worker_process_init

from loginwatch.celery import app as app


@worker_process_init.connect
def lose_patience(**kwargs: Any) -> None:
    from workflows import notifying  # it knows models, which may not be imported before Django is set up

    notifying.NOTICE_DELAYS = ()
