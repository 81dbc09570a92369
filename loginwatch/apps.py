from __future__ import annotations

from django.apps import AppConfig

from loginwatch.celery import app as celery_app

__all__ = ["LoginwatchConfig", "celery_app"]  # imported here, the app is the one that every shared task belongs to


class LoginwatchConfig(AppConfig):
    name = "loginwatch"

    def ready(self) -> None:
        from loginwatch import checks, database, startup  # noqa: F401  they register themselves
