from __future__ import annotations

from django.apps import AppConfig


class LoginwatchConfig(AppConfig):
    name = "loginwatch"

    def ready(self) -> None:
        from loginwatch import checks  # noqa: F401  registers the system checks
