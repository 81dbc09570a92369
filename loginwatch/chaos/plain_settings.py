"""The site's settings with the plain canvas: Celery's stock results, nothing that recovers a run."""

from __future__ import annotations

from loginwatch.settings import *  # noqa: F403
from loginwatch.settings import CELERY_BEAT_SCHEDULE, CELERY_BROKER_TRANSPORT_OPTIONS, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "loginwatch.chaos.plain_app.PlainConfig"]
CELERY_RESULT_BACKEND = "django-db"
# What a killed worker held is delivered again within two and a half minutes, instead of an hour: the trial is short.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    **CELERY_BROKER_TRANSPORT_OPTIONS,
    "ack_emulation": True,
    "visibility_timeout": 120,
    "unacked_restore_throttle": 1,
}
CELERY_BEAT_SCHEDULE = {"heartbeat": CELERY_BEAT_SCHEDULE["heartbeat"]}
# They ask for a visibility timeout longer than the longest pause of the site's tasks (those of the plain canvas are
# shorter), for recovery, and for the site's own result backend.
SILENCED_SYSTEM_CHECKS = ["workflows.E004", "workflows.E005", "workflows.E009"]
