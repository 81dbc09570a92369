from __future__ import annotations

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        # They register themselves.
        from workflows import alerts_check, backlog, canvas, checks, periodic, receivers, worker  # noqa: F401
        from workflows.bulk import tasks  # noqa: F401
