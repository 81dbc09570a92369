"""The tasks of bulk jobs. None stores a result: their rows tell how far they are."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from workflows.bulk import actions as actions  # they register themselves
from workflows.bulk import finishing, lanes, turns, upkeep


# Its lane is leased for longer (lanes.LEASE).
@shared_task(ignore_result=True, soft_time_limit=25, time_limit=30)
def work(job_id: str, lane: int, turn: int) -> None:
    turns.take_turn(UUID(job_id), lane, turn)


# Shorter than the claim on the mail (finishing.PAUSE).
@shared_task(ignore_result=True, soft_time_limit=40, time_limit=45)
def finish(job_id: str) -> None:
    finishing.finish(UUID(job_id))


@shared_task(ignore_result=True)
def sweep() -> int:
    """By beat: what was killed or lost goes on, and what is kept no longer goes."""
    finishing.finish_due()
    upkeep.delete_old_chunks()
    return lanes.revive_due()
