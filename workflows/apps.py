from __future__ import annotations

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        from workflows import periodic, receivers  # noqa: F401  registers the tasks, connects the receivers
