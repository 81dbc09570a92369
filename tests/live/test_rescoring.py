"""Sign-ins re-scored by a real worker with the reference risk service, whatever is killed in between."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User, Verdict
from tests import servers
from tests.riskapi.caller import SECRET
from tests.riskapi.server import RiskServer
from tests.waiting import wait_for
from tests.workflows.conftest import make_run as make_run  # the fixture
from workflows import steps
from workflows.bulk import jobs, registry, selection, tasks
from workflows.bulk.models import BulkJob, BulkLane
from workflows.models import Run

NewWorker = Callable[[], AbstractContextManager[servers.Server]]
SIGN_INS = 40


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "risk.sqlite3"


@pytest.fixture
def risk_server(tmp_path: Path, store: Path, settings: Settings) -> Iterator[RiskServer]:
    server = RiskServer(folder=tmp_path, store=store)
    server.start()
    settings.RISK_API_URL, settings.RISK_API_SECRET = server.url, SECRET
    yield server
    server.kill()


@pytest.fixture
def new_worker(
    broker: servers.Server, empty_broker: None, database_url: str, tmp_path: Path, risk_server: RiskServer
) -> NewWorker:
    """It asks so slowly that it can be killed in the middle."""
    env = {
        "DATABASE_URL": database_url,
        "RISK_API_URL": risk_server.url,
        "RISK_API_SECRET": SECRET,
        "RISK_API_RATE": "40/s",
    }
    return lambda: servers.running(servers.worker(folder=tmp_path, env=env), says=servers.WORKER_IS_READY)


@pytest.fixture
def verdicts(alice: User, make_run: Callable[..., Run], risk_server: RiskServer) -> list[Verdict]:
    """The first sign-in, and others of which each came from a network that was new then."""
    runs = [make_run(ip_address=f"198.51.{number}.7") for number in range(SIGN_INS)]
    for run in runs:
        for step in (
            steps.check_device,
            steps.notify_user,
            steps.save_event,
            steps.post_to_risk_api,
            steps.post_process,
        ):
            step(run.pk)
    return list(Verdict.objects.order_by("pk"))


def asked(store: Path, job: BulkJob) -> int:
    """How often the service was asked for this job, by its own store: one assessment a key."""
    with closing(sqlite3.connect(store)) as connection:
        (number,) = connection.execute("SELECT COUNT(*) FROM answer WHERE key LIKE ?", (f"bulk.{job.pk}.%",)).fetchone()
    return int(number)


def test_each_sign_in_is_assessed_anew_once_though_the_worker_is_killed_in_the_middle(
    new_worker: NewWorker, verdicts: list[Verdict], store: Path, make_user: Callable[..., User]
) -> None:
    admin = make_user("admin", is_staff=True, is_superuser=True)
    action = registry.get("rescore")

    def of(job: BulkJob) -> BulkJob:
        job.refresh_from_db()
        return job

    with new_worker() as doomed:
        chosen = selection.of_query(action, "")
        job, _ = jobs.queue(action, selection=chosen, parameters={}, by=admin, token=uuid4())
        wait_for(lambda: of(job).done > 3, "some are done", seconds=60)
        doomed.signal(signal.SIGKILL)
    assert 3 < of(job).done < SIGN_INS

    with new_worker():
        BulkLane.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
        tasks.sweep()
        wait_for(lambda: of(job).state == BulkJob.State.FINISHED, "the job goes on to its end", seconds=90)

    assert (job.done, job.failed, asked(store, job)) == (SIGN_INS, 0, SIGN_INS)
    for before in verdicts:
        after = Verdict.objects.get(pk=before.pk)
        assert after.assessment_id != before.assessment_id
        assert [one.assessment_id for one in after.earlier_ones] == [before.assessment_id]
    # The service has learnt these networks meanwhile.
    assert verdicts[1].score > Verdict.objects.get(pk=verdicts[1].pk).score
