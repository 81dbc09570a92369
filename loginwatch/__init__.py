"""The site: settings, the Celery app, urls, checks, health. It knows every other room."""

from loginwatch.celery import app as celery_app

__all__ = ["celery_app"]
