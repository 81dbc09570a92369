"""Letting time pass for a run without waiting."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F

from workflows.models import Run


def let_pass(run: Run, time: timedelta = timedelta(minutes=5)) -> None:
    """As if all that is written of the run had been written ``time`` earlier."""
    moments = ("created_at", "started_at", "finished_at", "published_at", "recover_at")
    Run.objects.filter(pk=run.pk).update(**{moment: F(moment) - time for moment in moments})
    run.steps.update(**{moment: F(moment) - time for moment in ("started_at", "finished_at", "leased_until")})
