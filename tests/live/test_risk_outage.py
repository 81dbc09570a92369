"""The risk service is away: a few posts find out, all runs wait, and all come back, through a real worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import pytest
from django.core.management import call_command

from accounts.models import SecurityEvent, User, Verdict
from tests import servers
from tests.environment import SCRATCH
from tests.waiting import wait_for
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.risk_service import ALLOW, Answer, RiskService
from workflows import backlog, breakers
from workflows.models import Alert, Attempt, Breaker, CallbackCall, Run, Step
from workflows.publishing import publish_all
from workflows.steps import Name

StartWorker = Callable[..., AbstractContextManager[servers.Server]]

RUNS = 20
AWAY = Answer(status=503, body=b"we are being updated")


@pytest.fixture
def start_worker(empty_broker: None, database_url: str) -> StartWorker:
    @contextmanager
    def start(**variables: str) -> Iterator[servers.Server]:
        backlog.mark()
        server = servers.worker(folder=SCRATCH, env={"DATABASE_URL": database_url, **variables}, name="outage")
        with servers.running(server, says=servers.WORKER_IS_READY):
            yield server

    return start


def publish_each(runs: list[Run]) -> None:
    """Also where the broker takes more than a moment for one, which is otherwise left to recovery."""
    for run in runs:
        wait_for(lambda run=run: publish_all([run]), "the run is published")  # type: ignore[misc]


def all_wait() -> bool:
    states = set(Run.objects.values_list("state", flat=True))
    return states == {Run.State.RETRYING} and all(step.state == Step.State.RETRYING for step in posts())


def posts() -> list[Step]:
    return list(Step.objects.filter(name=Name.POST_TO_RISK_API))


def test_a_few_posts_open_the_breaker_all_runs_wait_and_drain_when_it_is_back(
    start_worker: StartWorker,
    risk: RiskService,
    make_run: Callable[..., Run],
    capsys: pytest.CaptureFixture[str],
) -> None:
    risk.answer = AWAY
    runs = [make_run() for _ in range(RUNS)]
    with start_worker():
        publish_each(runs)

        wait_for(all_wait, "all posts wait")
        breaker = Breaker.objects.get()
        assert breaker.opened_at is not None
        # Those that open it, one that the other process had under way, and a probe every few seconds.
        asked = len(risk.requests)
        assert breakers.OPENS_AFTER <= asked <= breakers.OPENS_AFTER + 6 < RUNS
        alert = Alert.objects.get()
        assert alert.kind == Alert.Kind.BREAKER_OPENED
        assert "503: we are being updated" in alert.text
        assert "is left alone" in said_by(capsys, "doctor", "breakers")
        assert "is left alone" in said_by(capsys, "recover")

        risk.will_say(ALLOW)
        wait_for(lambda: not Run.objects.exclude(state=Run.State.SUCCEEDED).exists(), "all runs succeed", seconds=60)

    assert Breaker.objects.get().opened_at is None
    assert Alert.objects.count() == 1
    assert Verdict.objects.count() == RUNS
    assert {run.published for run in Run.objects.all()} == {1}
    # Each once, beside those that found out that it is away, which are attempts; waiting is none.
    keys = [headers["Idempotency-Key"] for headers, _ in risk.requests]
    failed = Attempt.objects.filter(step__name=Name.POST_TO_RISK_API)
    assert set(keys) == {step.task_id for step in posts()}
    assert len(keys) == RUNS + failed.count()
    assert failed.count() <= breakers.OPENS_AFTER + 7


def test_a_sign_in_that_has_waited_for_too_long_is_treated_as_the_policy_says(
    start_worker: StartWorker,
    alice: User,
    risk: RiskService,
    make_run: Callable[..., Run],
) -> None:
    risk.answer = AWAY
    runs = [make_run() for _ in range(3)]
    with start_worker(RISK_API_BUDGET="3", LOGINWATCH_NO_VERDICT="flag"):
        publish_each(runs)
        wait_for(lambda: not Run.objects.exclude(state=Run.State.FAILED).exists(), "all runs fail")
        unavailable = SecurityEvent.objects.filter(kind=SecurityEvent.Kind.RISK_UNAVAILABLE)
        wait_for(lambda: unavailable.count() == 3, "the callback has acted on each")

    assert all("no assessment within 0:00:03" in step.error for step in posts())
    assert SecurityEvent.objects.filter(kind=SecurityEvent.Kind.RISK_FLAGGED).count() == 3
    calls = CallbackCall.objects.filter(level=CallbackCall.Level.TASK, step=Name.POST_TO_RISK_API)
    assert calls.count() == 3
    assert not Verdict.objects.exists()
    assert set(Alert.objects.values_list("kind", flat=True)) == {Alert.Kind.RUN_FAILED, Alert.Kind.BREAKER_OPENED}


def said_by(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with suppress(SystemExit):
        call_command(*command)
    return capsys.readouterr().out
