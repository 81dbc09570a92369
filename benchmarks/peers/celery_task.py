"""The same Celery, with one task that does all five steps."""

from __future__ import annotations

from benchmarks.peers import domain
from benchmarks.peers.celery_stock import app


@app.task
def all_steps(sign_in_id: int) -> None:
    domain.all_steps(sign_in_id)


def enqueue(sign_in_id: int) -> None:
    all_steps.delay(sign_in_id)
