"""A Celery app as its documentation has it, with django-celery-results; all else is Celery's default.

https://docs.celeryq.dev/en/stable/django/first-steps-with-django.html
"""

from __future__ import annotations

from celery import Celery
from django.conf import settings

app = Celery(
    "stock",
    broker=settings.REDIS_URL,
    backend="django-db",
    include=["benchmarks.peers.celery_canvas", "benchmarks.peers.celery_task"],
)
