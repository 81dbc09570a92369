"""Recovery goes on a moment after Celery's first call for a killed process, and not at once.

The others come within that moment. One that comes when the run has got on is noted for the step that Celery names,
which for a group is the one behind it: who is first would be chance.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from workflows import runs
from workflows.models import Run

MOMENT = timedelta(seconds=2)


def recover_after_all_calls() -> None:
    mark_interrupted = runs.mark_interrupted

    def and_wait(run_id: UUID) -> None:
        mark_interrupted(run_id)
        waiting = Run.objects.filter(pk=run_id, state__in=Run.UNFINISHED, published_at=None)
        waiting.update(recover_at=timezone.now() + MOMENT)

    runs.mark_interrupted = and_wait
