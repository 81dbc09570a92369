"""Bulk jobs through a real worker: killed in the middle they go on, and no row is done twice."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import accumulate
from pathlib import Path
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Device, SecurityEvent, User
from tests import servers
from tests.accounts.mail_server import MailServer, mail_server
from tests.waiting import wait_for
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.risk_service import Answer, RiskService
from workflows.bulk import jobs, registry, selection, tasks
from workflows.bulk.models import BulkJob, BulkLane
from workflows.models import Run, Step
from workflows.publishing import publish
from workflows.steps import Name

State = BulkJob.State
NewWorker = Callable[..., AbstractContextManager[servers.Server]]
# What a worker says, on level DEBUG, when it has taken a message of a job, and when a process is done with it.
TURN = re.compile(rf"Task {re.escape(tasks.work.name)}\[[-0-9a-f]+\] (received|succeeded)")


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def new_worker(
    broker: servers.Server, empty_broker: None, database_url: str, tmp_path: Path, mails: MailServer
) -> NewWorker:
    env = {"DATABASE_URL": database_url, "EMAIL_URL": f"smtp://127.0.0.1:{mails.port}"}

    def running(level: str = "INFO") -> AbstractContextManager[servers.Server]:
        worker = servers.worker(folder=tmp_path, env=env, level=level, app="tests.live.patient")
        return servers.running(worker, says=servers.WORKER_IS_READY)

    return running


@pytest.fixture
def admin(transactional_db: None, make_user: Callable[..., User]) -> User:
    return make_user("admin", is_staff=True, is_superuser=True)


def make_people(number: int) -> None:
    """Each with a device that is trusted."""
    now = timezone.now()
    names = [f"person{one:05}" for one in range(number)]
    people = User.objects.bulk_create([User(username=name, email=f"{name}@example.com") for name in names])
    Device.objects.bulk_create([Device(user=one, first_seen_at=now, last_seen_at=now) for one in people])


def queue(name: str, by: User, query: str = "is_staff__exact=0", **parameters: str) -> BulkJob:
    action = registry.get(name)
    chosen = selection.of_query(action, query)
    return jobs.queue(action, selection=chosen, parameters=parameters, by=by, token=uuid4())[0]


def of(job: BulkJob) -> BulkJob:
    job.refresh_from_db()
    return job


def acted_on() -> Counter[int]:
    """How often it was noted of each person that they were acted on; operators' own entries are left out."""
    events = SecurityEvent.objects.filter(kind=SecurityEvent.Kind.BULK_JOB, user__is_staff=False)
    return Counter(events.values_list("user_id", flat=True))


def has_received(mails: MailServer, number: int) -> bool:
    return len(mails.received) >= number


def let_pass() -> None:
    """The leases of what was killed are over, and beat calls."""
    BulkLane.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
    tasks.sweep()


def test_a_job_runs_from_the_form_to_the_mail(new_worker: NewWorker, admin: User, mails: MailServer) -> None:
    make_people(1_200)
    with new_worker():
        job = queue("forget_devices", admin)
        wait_for(lambda: of(job).mailed_at, "the requester is told", seconds=60)

    assert (job.state, job.total, job.done) == (State.FINISHED, 1_200, 1_200)
    assert set(acted_on().values()) == {1}
    assert not Device.objects.filter(untrusted_at=None).exists()
    assert [mail["Message-ID"] for mail in mails.received] == [f"<bulk.{job.pk}.1@testserver>"]


def test_a_worker_that_is_killed_in_the_middle_costs_no_row_and_doubles_none(
    new_worker: NewWorker, admin: User
) -> None:
    make_people(8_000)
    with new_worker() as doomed:
        job = queue("forget_devices", admin)
        wait_for(lambda: of(job).done > 0, "some rows are done", seconds=60)
        doomed.signal(signal.SIGKILL)
    before = of(job).done
    assert 0 < before < 8_000
    assert sum(acted_on().values()) == before

    with new_worker():
        let_pass()
        wait_for(lambda: of(job).state == State.FINISHED, "the job goes on to its end", seconds=90)

    assert (job.done, job.failed) == (8_000, 0)
    assert len(acted_on()) == 8_000
    assert set(acted_on().values()) == {1}


def test_mails_go_on_after_a_kill_and_one_of_each_lane_at_most_comes_again(
    new_worker: NewWorker, admin: User, mails: MailServer
) -> None:
    make_people(300)
    with new_worker() as doomed:
        job = queue("security_notice", admin, subject="Hello {username}", text="Look at {site}.")
        wait_for(lambda: len(mails.received) > 20, "some mails are sent", seconds=60)
        doomed.signal(signal.SIGKILL)

    with new_worker():
        let_pass()
        wait_for(lambda: of(job).mailed_at, "the job goes on to its end", seconds=90)

    sent = Counter(mail["Message-ID"] for mail in mails.received if mail["Subject"].startswith("Hello"))
    assert (job.done, len(sent)) == (300, 300)
    assert sum(sent.values()) <= 300 + 2


def test_two_jobs_leave_one_of_two_processes_to_those_who_sign_in(new_worker: NewWorker, admin: User) -> None:
    make_people(3_000)
    with new_worker("DEBUG") as worker:
        both = [queue("forget_devices", admin), queue("export_users", admin)]
        wait_for(lambda: not any(of(job).is_active for job in both), "both jobs are done", seconds=120)
        said = worker.log.read_text()

    at_work = list(accumulate(1 if word == "received" else -1 for word in TURN.findall(said)))
    assert max(at_work) == 1
    assert len(at_work) > 4  # and several turns there were
    assert [job.done for job in both] == [3_000, 3_000]


def test_stopped_and_gone_on_with_while_a_worker_runs_no_row_is_done_twice(new_worker: NewWorker, admin: User) -> None:
    make_people(8_000)
    with new_worker():
        job = queue("forget_devices", admin)
        wait_for(lambda: of(job).done > 0, "some rows are done", seconds=60)
        jobs.stop(job, by=admin)
        jobs.go_on(job, by=admin)
        wait_for(lambda: of(job).state == State.FINISHED, "the job goes on to its end", seconds=90)

    assert job.done == 8_000
    assert set(acted_on().values()) == {1}


def test_stopped_and_gone_on_with_in_the_middle_of_mails_nobody_gets_two(
    new_worker: NewWorker, admin: User, mails: MailServer
) -> None:
    make_people(1_500)
    stopped = 0
    with new_worker():
        job = queue("security_notice", admin, subject="Hello {username}", text="Look at {site}.")
        for _ in range(10):
            more = len(mails.received) + 20
            wait_for(partial(has_received, mails, more), "more mails are sent", seconds=60)
            with suppress(jobs.Refused):  # it is over
                jobs.stop(job, by=admin)
                stopped += 1
                jobs.go_on(job, by=admin)
        wait_for(lambda: of(job).mailed_at, "the job goes on to its end", seconds=90)

    sent = Counter(mail["Message-ID"] for mail in mails.received if mail["Subject"].startswith("Hello"))
    assert stopped > 3
    assert (job.done, len(sent)) == (1_500, 1_500)
    assert set(sent.values()) == {1}


def test_whatever_operators_do_at_once_the_job_ends_with_each_row_done_once(new_worker: NewWorker, admin: User) -> None:
    make_people(2_000)
    with new_worker():
        job = queue("forget_devices", admin)
        wait_for(lambda: of(job).done > 0, "some rows are done", seconds=60)
        for _ in range(8):
            with suppress(jobs.Refused):
                jobs.stop(job, by=admin)
            with suppress(jobs.Refused):
                jobs.go_on(job, by=admin)
        wait_for(lambda: of(job).state == State.FINISHED, "the job goes on to its end", seconds=90)

    assert job.done == 2_000
    assert set(acted_on().values()) == {1}


def test_runs_that_wait_for_a_dead_risk_service_are_all_gone_on_with_without_it(
    new_worker: NewWorker,
    admin: User,
    make_run: Callable[..., Run],
    risk: RiskService,
) -> None:
    risk.answer = Answer(status=503, headers={"Retry-After": "250"})
    made = [make_run() for _ in range(40)]
    with new_worker():
        for run in made:
            publish(run)
        wait_for(lambda: Run.objects.filter(state=Run.State.RETRYING).count() == 40, "all wait", seconds=60)
        asked = len(risk.requests)

        job = queue("skip", admin, "state__exact=retrying", step=Name.POST_TO_RISK_API)
        wait_for(lambda: not Run.objects.filter(state__in=Run.UNFINISHED).exists(), "all runs end", seconds=90)
        wait_for(lambda: of(job).state == State.FINISHED, "the job ends")

    assert (job.total, job.done) == (40, 40)
    assert set(Run.objects.values_list("state", "published", "healed")) == {(Run.State.SUCCEEDED, 2, 0)}
    skipped = Step.objects.filter(name=Name.POST_TO_RISK_API, state=Step.State.SKIPPED)
    assert (skipped.count(), len(risk.requests)) == (40, asked)
    assert SecurityEvent.objects.filter(kind=SecurityEvent.Kind.RUN_STEERED).count() == 40
