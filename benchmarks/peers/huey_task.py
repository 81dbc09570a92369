"""Huey: one task that does all five steps; ``db_task`` closes connections to the database that are too old."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from benchmarks.peers import domain

all_steps = db_task()(domain.all_steps)


def enqueue(sign_in_id: int) -> None:
    all_steps(sign_in_id)
