"""How often recovery has healed a run: published again what nobody had asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.core.cache import cache
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import SecurityEvent, User
from tests.workflows.past import let_pass
from workflows import backlog, figures, ledger, publishing, runs
from workflows.models import Run, Step
from workflows.presentation.representation import run_as_dict
from workflows.recovery import recover_runs
from workflows.results.walk import walk
from workflows.steering.actions import Action, retry_waiting_steps, steer
from workflows.steps import Name

QUEUES = ("sign_in", "under_way", "mail", "risk")
ASK = Name.POST_TO_RISK_API
ACTS = [(Action.RESUME, ""), (Action.RETRY, ASK), (Action.SKIP, ASK)]


class Broker:
    """It holds nothing in its queues any more, and takes runs unless it is away."""

    away = False

    def look(self) -> backlog.Look:
        return backlog.Look(dict.fromkeys(QUEUES, timezone.now()), lost=False)

    def take(self, offered: Collection[Run]) -> list[UUID]:
        taken = [] if self.away else [run.pk for run in offered]
        for run_id in taken:
            runs.mark_published(run_id)
        return taken


@pytest.fixture(autouse=True)
def broker(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    cache.delete(backlog.OBSERVATIONS)
    broker = Broker()
    monkeypatch.setattr(backlog, "look", broker.look)
    monkeypatch.setattr(publishing, "publish_all", broker.take)
    yield broker
    publishing.breaker.close()


@pytest.fixture
def published(run: Run) -> Run:
    """Once, as every run."""
    publishing.publish(run)
    return run


@pytest.fixture
def carol(make_user: Callable[..., User]) -> User:
    return make_user("carol", is_staff=True)


@pytest.fixture
def act(
    published: Run, carol: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> Callable[[Action, str], None]:
    """An operator does that to a run for which it is meant."""

    def do(action: Action, step: str) -> None:
        if action is Action.RESUME:
            ledger.fail_step(published.pk, ASK, "it refuses")
        else:
            later = timezone.now() + timedelta(hours=1)
            published.steps.filter(name=ASK).update(state=Step.State.RETRYING, leased_until=later)
        with django_capture_on_commit_callbacks(execute=True):
            steer(published.pk, action, step, by=carol)

    return do


def told(run: Run) -> tuple[int, int]:
    """How often it was published and healed, as its page says."""
    run.refresh_from_db()
    said = run_as_dict(run, walk(run.results), [], staff=True)
    return said["published"], said["healed"]


def test_what_recovery_publishes_again_is_healed_and_what_it_publishes_first_is_not(run: Run) -> None:
    for times in range(3):
        let_pass(run)
        recover_runs()
        assert told(run) == (times + 1, times)


@pytest.mark.parametrize(("action", "step"), ACTS)
def test_what_an_operator_did_is_not_healed(
    published: Run, act: Callable[[Action, str], None], action: Action, step: str
) -> None:
    act(action, step)
    assert told(published) == (2, 0)

    let_pass(published)
    recover_runs()
    assert told(published) == (3, 1)


@pytest.mark.parametrize(("action", "step"), ACTS)
def test_nor_where_the_broker_was_away_and_recovery_did_it_for_them(
    broker: Broker, published: Run, act: Callable[[Action, str], None], action: Action, step: str
) -> None:
    broker.away = True
    act(action, step)
    broker.away = False
    let_pass(published)
    recover_runs()

    assert told(published) == (2, 0)


def test_nor_are_failed_runs_that_recovery_was_told_to_go_on_with(published: Run) -> None:
    ledger.fail_step(published.pk, ASK, "it refuses")
    runs.reopen_failed_runs()
    recover_runs()

    assert told(published) == (2, 0)


def test_of_two_steps_that_an_operator_has_tried_again_the_run_is_published_once(
    published: Run, carol: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    later = timezone.now() + timedelta(hours=1)
    waiting = published.steps.filter(name__in=[Name.NOTIFY_USER, Name.SAVE_EVENT])
    waiting.update(state=Step.State.RETRYING, leased_until=later)

    with django_capture_on_commit_callbacks(execute=True):
        retry_waiting_steps(published.pk, by=carol)

    assert told(published) == (2, 0)
    assert set(waiting.values_list("state", "leased_until")) == {(Step.State.WAITING, None)}
    noted = SecurityEvent.objects.filter(kind=SecurityEvent.Kind.RUN_STEERED).order_by("pk")
    assert [event.details["step"] for event in noted] == [Name.NOTIFY_USER, Name.SAVE_EVENT]


def test_the_figures_count_what_was_healed(published: Run, act: Callable[[Action, str], None]) -> None:
    act(Action.RETRY, ASK)
    let_pass(published)
    recover_runs()
    runs.finish_run(published)

    counted = figures.total(figures.count(published.sign_in.created_at, timezone.now()).values())
    assert counted.counts["healed"] == 1
