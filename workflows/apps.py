from __future__ import annotations

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        # They register themselves; kinds of workflows in the order in which they are listed.
        from workflows import sign_in  # noqa: F401

        # isort: split
        from workflows import backlog, checks, password_change, periodic, receivers  # noqa: F401
        from workflows.alerting import check, dead_letters  # noqa: F401
        from workflows.bulk import tasks  # noqa: F401
        from workflows.worker import start  # noqa: F401
