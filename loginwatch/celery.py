"""The Celery app: `celery -A loginwatch worker` and `celery -A loginwatch beat`."""

from __future__ import annotations

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import after_setup_logger

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loginwatch.settings")

app = Celery("loginwatch")
# Read now, not at first use, where Celery would hide what the settings say about a wrong value.
app.config_from_object("django.conf:settings", namespace="CELERY", force=True)
# Celery looks for this one under no other name: how many tasks a process does with one connection to the database.
# Alone it would not survive the database's restart; workflows/worker/start.py looks after that.
app.conf["CELERY_DB_REUSE_MAX"] = 1000
app.autodiscover_tasks()


@after_setup_logger.connect
def say_less_of_each_task(loglevel: int, **kwargs: Any) -> None:
    """That a task came and went the ledger tells, and two lines for each are a tenth of what a worker does.

    With ``--loglevel DEBUG`` a worker writes them.
    """
    if loglevel >= logging.INFO:
        for name in ("celery.worker.strategy", "celery.app.trace"):
            logging.getLogger(name).setLevel(logging.WARNING)
