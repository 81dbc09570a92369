"""One message of a job: take its turn, prepare or work for a moment, and say who goes on."""

from __future__ import annotations

from uuid import UUID

from workflows.bulk import finishing, jobs, lanes, registry, snapshot, working
from workflows.bulk.lanes import Turn
from workflows.bulk.models import BulkJob
from workflows.bulk.selection import Grown, NotAllowed, NotReadable

# Seconds until a worker of another version, which may know the action, is looked for again.
PAUSE = 30.0


def take_turn(job_id: UUID, lane: int, number: int) -> None:
    turn = lanes.take(Turn(job_id, lane, number))
    if turn is None:
        return
    job = BulkJob.objects.select_related("requested_by").get(pk=job_id)
    try:
        is_more = _go_on(job, turn)
    except lanes.TurnLost:
        return
    except registry.Rest as rest:
        jobs.note(job, str(rest))
        lanes.rest(turn, rest.seconds, tried=rest.tried)
    except NotAllowed as why:
        jobs.end_for(job, BulkJob.State.STOPPED, str(why))
    except (NotReadable, Grown) as why:
        jobs.end_for(job, BulkJob.State.FAILED, str(why))
    else:
        if is_more:
            lanes.hand_on(turn)
        else:
            lanes.end(turn)
            finishing.finish_if_done(job)


def _go_on(job: BulkJob, turn: Turn) -> bool:
    """True where this lane has more to do."""
    try:
        registry.get(job.action)
    except registry.UnknownAction as unknown:
        raise registry.Rest(str(unknown), PAUSE) from unknown
    if job.state == BulkJob.State.PREPARING:
        return snapshot.prepare(job, turn)
    return working.work(job, turn)
