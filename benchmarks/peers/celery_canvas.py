"""The peer that this site's canvas is compared to: the same one on Celery alone.

https://docs.celeryq.dev/en/stable/userguide/canvas.html
"""

from __future__ import annotations

from typing import Any

from celery import chain, group

from benchmarks.peers import domain
from benchmarks.peers.celery_stock import app


@app.task
def check_device(sign_in_id: int) -> None:
    domain.check_device(sign_in_id)


@app.task
def notify_user(sign_in_id: int) -> None:
    domain.notify_user(sign_in_id)


@app.task
def save_event(sign_in_id: int) -> int:
    return domain.save_event(sign_in_id)


@app.task
def post_to_risk_api(of_the_group: list[Any], sign_in_id: int) -> dict[str, Any]:
    """``of_the_group``: what notify_user and save_event returned."""
    return domain.post_to_risk_api(sign_in_id, of_the_group[1])


@app.task
def post_process(assessment: dict[str, Any], sign_in_id: int) -> None:
    domain.post_process(sign_in_id, assessment)


def enqueue(sign_in_id: int) -> None:
    chain(
        check_device.si(sign_in_id),
        group(notify_user.si(sign_in_id), save_event.si(sign_in_id)),
        post_to_risk_api.s(sign_in_id),
        post_process.s(sign_in_id),
    ).delay()
