"""What an operator does to a run, through a real worker: the run goes on, or ends, and nothing happens twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import cast

import pytest
from django.utils import timezone

from accounts.models import Notice, SecurityEvent, User, Verdict
from tests import servers
from tests.accounts.mail_server import Conversation, MailServer, mail_server
from tests.environment import SCRATCH
from tests.waiting import wait_for
from tests.workflows.conftest import SAFARI
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.risk_service import Answer, RiskService
from workflows import ledger
from workflows.models import Attempt, Chord, Run, Step, task_id_of
from workflows.publishing import publish
from workflows.steering.actions import Action, steer
from workflows.steps import Name

Finished = Callable[[Run], bool]
MakeRun = Callable[..., Run]
ASK = Name.POST_TO_RISK_API


class PatientServer(MailServer):
    """It takes no mail while its gate is closed."""

    gate: threading.Event


class PatientConversation(Conversation):
    def _answer(self, to: str, line: bytes = b"") -> None:
        if to == "DATA":
            cast(PatientServer, self.server).gate.wait(20)
        super()._answer(to, line)


@pytest.fixture(scope="module")
def mails() -> Iterator[PatientServer]:
    with mail_server() as server:
        patient = cast(PatientServer, server)
        patient.gate = threading.Event()
        patient.RequestHandlerClass = PatientConversation
        yield patient


@pytest.fixture(scope="module")
def worker(broker: servers.Server, database_url: str, mails: PatientServer) -> Iterator[servers.Server]:
    env = {"DATABASE_URL": database_url, "EMAIL_URL": f"smtp://127.0.0.1:{mails.port}"}
    worker = servers.worker(folder=SCRATCH, env=env, name="steered")
    with servers.running(worker, says=servers.WORKER_IS_READY):
        yield worker


@pytest.fixture(autouse=True)
def open_gate(mails: PatientServer) -> None:
    mails.gate.set()
    mails.received.clear()


@pytest.fixture
def carol(transactional_db: None, make_user: Callable[..., User]) -> User:
    return make_user("carol", is_staff=True)


@pytest.fixture
def do(worker: servers.Server, risk: RiskService, finished: Finished) -> Callable[[Run], Run]:
    """Publishes a run and waits for its end."""

    def publish_and_wait(run: Run) -> Run:
        assert publish(run)
        wait_for(lambda: finished(run), "the run ends")
        return run

    return publish_and_wait


@pytest.fixture
def of_a_new_device(make_run: MakeRun, do: Callable[[Run], Run]) -> Run:
    """A run, not published yet, whose sign-in is worth a mail. Those of make_run are of a device that is known."""
    do(make_run())
    return make_run(user_agent=SAFARI)


def step_of(run: Run, name: Name) -> Step:
    return run.steps.get(name=name)


def asked(risk: RiskService, run: Run) -> int:
    key = task_id_of(run.pk, ASK)
    return sum(headers["Idempotency-Key"] == key for headers, _ in risk.requests)


def events_of(run: Run) -> Counter[str]:
    return Counter(SecurityEvent.objects.filter(sign_in=run.sign_in).values_list("kind", flat=True))


def attempts_at(run: Run) -> dict[str, int]:
    return {step.name: step.attempts for step in run.steps.all()}


def test_a_run_that_failed_at_the_risk_service_is_resumed_and_no_step_is_done_twice(
    of_a_new_device: Run,
    do: Callable[[Run], Run],
    risk: RiskService,
    mails: PatientServer,
    finished: Finished,
    carol: User,
) -> None:
    risk.answer = Answer(status=422, body=b"the version is wrong")
    run = do(of_a_new_device)
    assert run.state == Run.State.FAILED
    before = {step.name: step.finished_at for step in run.steps.filter(state=Step.State.SUCCEEDED)}

    risk.answer = Answer()
    steer(run.pk, Action.RESUME, by=carol)
    wait_for(lambda: finished(run), "the run finishes")

    assert (run.state, run.resumed, run.published) == (Run.State.SUCCEEDED, 1, 2)
    assert attempts_at(run) == dict.fromkeys(Name, 1) | {ASK: 2}
    assert {name: step_of(run, Name(name)).finished_at for name in before} == before
    assert Attempt.objects.filter(step__run=run).count() == 1
    assert asked(risk, run) == 2
    assert [mail["Message-ID"] for mail in mails.received] == [f"<{run.pk}.notify_user@testserver>"]
    assert events_of(run)[SecurityEvent.Kind.SIGNED_IN] == 1
    assert Verdict.objects.filter(sign_in=run.sign_in).count() == 1


def test_a_retry_that_waits_is_brought_forward(
    make_run: MakeRun, worker: servers.Server, risk: RiskService, finished: Finished, carol: User
) -> None:
    risk.answer = Answer(status=503, headers={"Retry-After": "250"})
    run = make_run()
    publish(run)
    wait_for(lambda: step_of(run, ASK).state == Step.State.RETRYING, "a retry waits")

    risk.answer = Answer()
    steer(run.pk, Action.RETRY, ASK, by=carol)
    wait_for(lambda: finished(run), "the run finishes long before its retry was to be")

    assert run.state == Run.State.SUCCEEDED
    assert attempts_at(run) == dict.fromkeys(Name, 1) | {ASK: 2}


def test_a_run_goes_on_without_the_risk_service(
    make_run: MakeRun, do: Callable[[Run], Run], risk: RiskService, finished: Finished, carol: User
) -> None:
    risk.answer = Answer(status=422)
    run = do(make_run())

    steer(run.pk, Action.SKIP, ASK, by=carol)
    wait_for(lambda: finished(run), "the run finishes")

    assert run.state == Run.State.SUCCEEDED
    assert step_of(run, Name.POST_PROCESS).result == {"verdict": None, "policy": "flag"}
    assert asked(risk, run) == 1
    assert not Verdict.objects.filter(sign_in=run.sign_in).exists()
    kinds = SecurityEvent.Kind
    assert events_of(run) == {kinds.SIGNED_IN: 1, kinds.RISK_UNAVAILABLE: 1, kinds.RISK_FLAGGED: 1}


def test_a_group_goes_on_without_the_member_that_failed(
    of_a_new_device: Run, risk: RiskService, mails: PatientServer, finished: Finished, carol: User
) -> None:
    run = of_a_new_device
    ledger.fail_step(run.pk, Name.NOTIFY_USER, "the mail server will not have it")

    steer(run.pk, Action.SKIP, Name.NOTIFY_USER, by=carol)
    wait_for(lambda: finished(run), "the run finishes")

    assert run.state == Run.State.SUCCEEDED
    assert step_of(run, Name.NOTIFY_USER).state == Step.State.SKIPPED
    assert mails.received == []


def test_what_is_behind_a_group_of_which_a_member_is_run_again_waits_for_that(
    of_a_new_device: Run,
    make_run: MakeRun,
    do: Callable[[Run], Run],
    risk: RiskService,
    mails: PatientServer,
    finished: Finished,
    carol: User,
) -> None:
    run = of_a_new_device
    steer(run.pk, Action.SKIP, Name.NOTIFY_USER, by=carol)
    wait_for(lambda: finished(run), "the run ends without its notice")

    mails.gate.clear()
    steer(run.pk, Action.RUN_AGAIN, by=carol)
    wait_for(lambda: step_of(run, Name.NOTIFY_USER).state == Step.State.RUNNING, "the mail is on its way")
    do(make_run())
    assert step_of(run, ASK).state == Step.State.WAITING
    mails.gate.set()
    wait_for(lambda: finished(run), "the run ends")

    assert (run.state, len(mails.received)) == (Run.State.SUCCEEDED, 1)


def test_a_run_that_is_cancelled_while_a_step_waits_for_its_retry_is_not_gone_on_with(
    make_run: MakeRun, do: Callable[[Run], Run], worker: servers.Server, risk: RiskService, carol: User
) -> None:
    risk.answer = Answer(status=503)
    run = make_run()
    publish(run)
    attempt = wait_for(lambda: Attempt.objects.filter(step__run=run).first(), "a retry waits")

    steer(run.pk, Action.CANCEL, by=carol)
    # An attempt may have begun just before; what comes after is what the step said by then.
    wait_for(lambda: not run.steps.filter(state=Step.State.RUNNING).exists(), "nobody is at a step")
    before = asked(risk, run)
    assert attempt.next_at is not None
    due = Attempt.objects.filter(step__run=run).latest("pk").next_at
    risk.answer = Answer()
    wait_for(lambda: timezone.now() > due, "the retry is due")  # type: ignore[operator]  # it was put off
    do(make_run())

    run.refresh_from_db()
    assert run.state == Run.State.CANCELLED
    assert asked(risk, run) == before
    assert step_of(run, Name.POST_PROCESS).state == Step.State.WAITING


def test_of_a_run_that_is_cancelled_while_its_group_runs_the_member_ends_and_nothing_follows(
    of_a_new_device: Run,
    make_run: MakeRun,
    do: Callable[[Run], Run],
    risk: RiskService,
    mails: PatientServer,
    carol: User,
) -> None:
    run = of_a_new_device
    mails.gate.clear()
    publish(run)
    wait_for(lambda: step_of(run, Name.NOTIFY_USER).state == Step.State.RUNNING, "the mail is on its way")
    wait_for(lambda: step_of(run, Name.SAVE_EVENT).state == Step.State.SUCCEEDED, "the other member ends")

    steer(run.pk, Action.CANCEL, by=carol)
    mails.gate.set()

    wait_for(lambda: step_of(run, Name.NOTIFY_USER).state == Step.State.SUCCEEDED, "the member ends")
    wait_for(lambda: not Chord.objects.exists(), "what follows the group is published")
    do(make_run())
    run.refresh_from_db()
    assert run.state == Run.State.CANCELLED
    assert asked(risk, run) == 0
    assert attempts_at(run) | {ASK: 0, Name.POST_PROCESS: 0} == attempts_at(run)
    assert len(mails.received) == 1
    assert Notice.objects.get(sign_in=run.sign_in).state == Notice.State.SENT
