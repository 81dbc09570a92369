"""Dramatiq: one actor that does all five steps; `manage.py rundramatiq` runs eight threads in each process."""

from __future__ import annotations

import dramatiq

from benchmarks.peers import domain

all_steps = dramatiq.actor(domain.all_steps)


def enqueue(sign_in_id: int) -> None:
    all_steps.send(sign_in_id)
