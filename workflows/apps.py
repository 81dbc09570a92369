from __future__ import annotations

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        # They register themselves.
        from workflows import (  # noqa: F401
            alerts_check,
            backlog,
            canvas,
            checks,
            dead_letters,
            password_change,
            periodic,
            receivers,
            worker,
        )
        from workflows.bulk import tasks  # noqa: F401
