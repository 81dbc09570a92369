"""Which runs recovery publishes again, and which it leaves alone. What it asks a real broker is in tests/live."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from uuid import UUID

import pytest
from celery.exceptions import Ignore
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.past import let_pass
from workflows import backlog, kinds, ledger, publishing, runs, steps, tasks
from workflows.models import Run, Step
from workflows.recovery import recover_runs
from workflows.steps import Name

QUEUES = ("sign_in", "under_way", "mail", "risk")
LONG_AGO = timedelta(minutes=5)


class Broker:
    """What recovery is told of the broker, and what the broker took of it."""

    def __init__(self) -> None:
        self.head: datetime | None = None  # None: its queues are empty
        self.heads: dict[str, datetime] = {}  # of those that have got elsewhere
        self.lost = False
        self.away = False
        self.takes = 1000
        self.taken: list[UUID] = []

    def look(self) -> backlog.Look:
        if self.away:
            raise backlog.BrokerAway("nobody answers")
        heads = dict.fromkeys(QUEUES, self.head or timezone.now()) | self.heads
        return backlog.Look(heads, lost=self.lost)

    def mark(self) -> None:
        self.lost = False

    def take(self, offered: Collection[Run]) -> list[UUID]:
        taken = [run.pk for run in offered][: self.takes]
        for run_id in taken:
            runs.mark_published(run_id)
        self.taken += taken
        return taken


@pytest.fixture
def broker(db: None, monkeypatch: pytest.MonkeyPatch) -> Broker:
    cache.delete(backlog.OBSERVATIONS)
    broker = Broker()
    monkeypatch.setattr(backlog, "look", broker.look)
    monkeypatch.setattr(backlog, "mark", broker.mark)
    monkeypatch.setattr(publishing, "publish_all", broker.take)
    return broker


@pytest.fixture
def published(broker: Broker) -> list[UUID]:
    """The runs that were handed to the broker, which takes them all."""
    return broker.taken


@pytest.fixture
def due(make_run: Callable[..., Run]) -> Run:
    """Nobody has published it, and its request must be over."""
    run = make_run()
    Run.objects.filter(pk=run.pk).update(recover_at=timezone.now())
    return run


def publish(run: Run, ago: timedelta, times: int = 1) -> None:
    moment = timezone.now() - ago
    Run.objects.filter(pk=run.pk).update(published=times, published_at=moment, recover_at=moment + runs.STALLED)


def hold(run: Run, name: Name, seconds: float) -> None:
    until = timezone.now() + timedelta(seconds=seconds)
    run.steps.filter(name=name).update(state=Step.State.RUNNING, leased_until=until)


def test_a_run_that_is_due_is_published(due: Run, published: list[UUID]) -> None:
    assert recover_runs() == 1
    assert published == [due.pk]


def test_a_run_that_was_just_made_is_left_to_its_request(run: Run, published: list[UUID]) -> None:
    assert recover_runs() == 0
    assert published == []


def test_a_run_that_was_just_recovered_is_left_alone(due: Run, published: list[UUID]) -> None:
    assert [recover_runs(), recover_runs()] == [1, 0]


@pytest.mark.parametrize("state", [state for state in Run.State if state not in Run.UNFINISHED])
def test_a_run_that_has_ended_is_left_alone(due: Run, published: list[UUID], state: Run.State) -> None:
    Run.objects.update(state=state)

    assert recover_runs(everything=True) == 0


def test_everything_means_also_what_is_not_due(run: Run, published: list[UUID]) -> None:
    publish(run, timedelta(seconds=1))

    assert recover_runs(everything=True) == 1


def test_two_recoveries_that_both_see_the_loss_publish_a_run_once(
    run: Run, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(run, timedelta(seconds=1))
    broker.lost = True

    def look_while_another_recovers() -> backlog.Look:
        monkeypatch.setattr(backlog, "look", broker.look)
        assert recover_runs() == 1
        return backlog.Look(heads=dict.fromkeys(QUEUES, timezone.now()), lost=True)

    monkeypatch.setattr(backlog, "look", look_while_another_recovers)

    assert recover_runs() == 0
    assert broker.taken == [run.pk]


def test_a_run_whose_message_has_left_an_empty_queue_is_published_again(run: Run, published: list[UUID]) -> None:
    publish(run, LONG_AGO)

    assert recover_runs() == 1


def test_a_run_that_waits_its_turn_is_left_alone_however_long_it_waits(run: Run, broker: Broker) -> None:
    publish(run, timedelta(hours=5))
    broker.head = timezone.now() - timedelta(hours=6)

    assert recover_runs() == 0


def test_a_run_that_a_worker_has_only_just_taken_from_the_queue_is_left_alone(run: Run, broker: Broker) -> None:
    publish(run, LONG_AGO)
    broker.head = timezone.now() - 2 * LONG_AGO
    recover_runs()
    broker.head = None

    assert recover_runs() == 0, "its message may have left the queue a moment ago"


def test_a_run_that_got_on_by_a_step_waits_anew(run: Run, broker: Broker) -> None:
    publish(run, timedelta(hours=5))
    steps.check_device(run.pk)
    broker.head = timezone.now() - timedelta(hours=4)

    assert recover_runs() == 0
    run.refresh_from_db()
    assert run.recover_at > timezone.now(), "it is not looked at again before its next message could be lost"


@pytest.mark.parametrize(
    ("done", "stuck", "recovered"),
    [
        ([], "sign_in", 0),
        ([], "mail", 1),
        ([], "risk", 1),
        ([], "under_way", 1),
        ([Name.CHECK_DEVICE], "mail", 0),
        ([Name.CHECK_DEVICE], "under_way", 0),
        ([Name.CHECK_DEVICE], "sign_in", 1),
        ([Name.CHECK_DEVICE], "risk", 1),
        ([Name.CHECK_DEVICE, Name.SAVE_EVENT], "mail", 0),
        ([Name.CHECK_DEVICE, Name.SAVE_EVENT], "under_way", 1),
        ([Name.CHECK_DEVICE, Name.SAVE_EVENT, Name.NOTIFY_USER], "risk", 0),
        ([Name.CHECK_DEVICE, Name.SAVE_EVENT, Name.NOTIFY_USER], "mail", 1),
    ],
)
def test_a_run_waits_only_for_the_queues_of_its_next_steps(
    run: Run, broker: Broker, done: list[Name], stuck: str, recovered: int
) -> None:
    publish(run, timedelta(hours=5))
    run.steps.filter(name__in=done).update(state=Step.State.SUCCEEDED)
    broker.heads = {stuck: timezone.now() - timedelta(hours=6)}

    assert recover_runs() == recovered


@pytest.mark.parametrize(
    ("done", "stuck", "recovered"),
    [
        ([], "sign_in", 0),
        ([], "mail", 1),
        ([Name.CHECK_DEVICE], "sign_in", 0),
        ([Name.CHECK_DEVICE], "mail", 0),
        ([Name.CHECK_DEVICE], "risk", 1),
        ([Name.CHECK_DEVICE, Name.SAVE_EVENT, Name.NOTIFY_USER], "sign_in", 0),
        ([Name.CHECK_DEVICE, Name.SAVE_EVENT, Name.NOTIFY_USER], "mail", 0),
        ([Name.CHECK_DEVICE, Name.SAVE_EVENT, Name.NOTIFY_USER], "risk", 0),
    ],
)
def test_one_that_was_published_again_waits_for_the_queues_of_what_it_has_done_too(
    run: Run, broker: Broker, done: list[Name], stuck: str, recovered: int
) -> None:
    publish(run, timedelta(hours=5), times=2)
    run.steps.filter(name__in=done).update(state=Step.State.SUCCEEDED)
    broker.heads = {stuck: timezone.now() - timedelta(hours=6)}

    assert recover_runs() == recovered


def test_a_run_from_before_there_was_a_queue_for_those_that_have_begun_waits_in_it(run: Run) -> None:
    run.steps.exclude(queue__in=["mail", "risk"]).update(queue="sign_in")

    with connection.cursor() as cursor:
        cursor.execute(import_module("workflows.migrations.0016_queues_of_begun_runs").QUEUES)

    assert {step.name: step.queue for step in run.steps.all()} == {
        step.name: step.queue for step in kinds.get("sign_in").steps
    }


def test_of_what_was_lost_who_came_first_is_published_first(make_run: Callable[..., Run], broker: Broker) -> None:
    made = sorted((make_run() for _ in range(5)), key=lambda run: run.pk)  # which begins with the time
    for run in reversed(made):
        publish(run, timedelta(seconds=1))
    broker.lost = True

    assert recover_runs() == 5
    assert broker.taken == [run.pk for run in made]


def test_a_run_with_a_step_that_somebody_holds_is_left_alone(due: Run, published: list[UUID]) -> None:
    hold(due, Name.NOTIFY_USER, seconds=30)

    assert recover_runs() == 0


def test_what_a_broker_has_lost_is_published_again_at_once(
    make_run: Callable[..., Run], run: Run, broker: Broker
) -> None:
    waiting, held, retrying = run, make_run(), make_run()
    for each in (waiting, held, retrying):
        publish(each, timedelta(seconds=1))
    hold(held, Name.POST_TO_RISK_API, seconds=30)
    runs.mark_retrying(retrying.pk, timezone.now() + timedelta(seconds=30))
    broker.lost = True

    assert [recover_runs(), recover_runs()] == [1, 0]
    assert broker.taken == [waiting.pk], "a worker is at the others, and will publish what follows"


def test_a_broker_that_is_away_is_waited_for(due: Run, broker: Broker) -> None:
    broker.away = True
    assert recover_runs() == 0

    broker.away = False
    assert recover_runs() == 1


def test_what_the_broker_did_not_take_is_due_as_soon_as_it_is_back(
    make_run: Callable[..., Run], broker: Broker
) -> None:
    for _ in range(3):
        make_run()
    Run.objects.update(recover_at=timezone.now())
    broker.takes = 1
    assert recover_runs() == 1

    broker.takes = 1000
    assert recover_runs() == 2


def test_of_two_recoveries_at_once_one_publishes_the_run(
    due: Run, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_while_another_recovers(offered: Collection[Run]) -> list[UUID]:
        assert recover_runs() == 0
        return broker.take(offered)

    monkeypatch.setattr(publishing, "publish_all", take_while_another_recovers)

    assert recover_runs() == 1
    assert broker.taken == [due.pk]


def test_a_run_that_gets_nowhere_is_failed_in_the_end(run: Run, published: list[UUID]) -> None:
    for _ in range(ledger.MOST_STALLS + 1):
        publish(run, LONG_AGO)
        recover_runs()

    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert len(published) == ledger.MOST_STALLS
    assert "published 10 times" in run.steps.get(name=Name.CHECK_DEVICE).error
    assert run.steps.filter(state=Step.State.FAILED).count() == 1


def test_a_run_whose_tasks_die_before_they_begin_is_failed_in_the_end(run: Run, broker: Broker) -> None:
    publish(run, LONG_AGO)
    for _ in range(ledger.MOST_STALLS + 1):
        for _ in range(3):  # Celery calls back up to three times
            runs.mark_interrupted(run.pk, timezone.now())
        recover_runs()

    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert len(broker.taken) == ledger.MOST_STALLS


def test_a_run_that_is_cut_off_and_gets_on_each_time_is_not_failed(run: Run, broker: Broker) -> None:
    for _ in range(ledger.MOST_STALLS * 2):
        publish(run, timedelta(0))
        run.steps.filter(name=Name.CHECK_DEVICE).update(finished_at=timezone.now())
        runs.mark_interrupted(run.pk, timezone.now())

    run.refresh_from_db()
    assert (run.state, run.stalls) == (Run.State.QUEUED, 0)


def test_a_run_that_gets_on_is_published_as_often_as_it_takes(run: Run, published: list[UUID]) -> None:
    for _ in range(ledger.MOST_STALLS):
        publish(run, LONG_AGO)
        recover_runs()
    steps.check_device(run.pk)
    publish(run, LONG_AGO)
    assert recover_runs() == 0

    let_pass(run)
    assert recover_runs() == 1
    run.refresh_from_db()
    assert run.stalls == 1


def test_more_than_a_batch_is_published(
    make_run: Callable[..., Run], published: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.recovery.BATCH", 2)
    for _ in range(5):
        make_run()
    Run.objects.update(recover_at=timezone.now())

    assert recover_runs() == 5


def test_the_command_says_how_many(due: Run, published: list[UUID], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("recover")

    assert "1" in capsys.readouterr().out


def test_a_step_whose_process_is_killed_each_time_fails_the_run_in_the_end(due: Run, published: list[UUID]) -> None:
    for _ in range(ledger.MOST_CUT_OFF):
        due.steps.filter(name=Name.CHECK_DEVICE).update(state=Step.State.RUNNING)
        Run.objects.update(recover_at=timezone.now(), published_at=None)
        recover_runs()

    due.refresh_from_db()
    assert due.state == Run.State.FAILED
    assert "killed 5 times" in due.steps.get(name=Name.CHECK_DEVICE).error


def test_an_attempt_that_was_killed_counts_once_however_often_its_run_is_published(due: Run, broker: Broker) -> None:
    recover_runs()
    due.steps.filter(name=Name.CHECK_DEVICE).update(state=Step.State.RUNNING, attempts=1)
    for _ in range(ledger.MOST_CUT_OFF + 1):
        broker.lost = True
        assert recover_runs() == 1

    assert due.steps.get(name=Name.CHECK_DEVICE).cut_off == 1


@pytest.mark.parametrize("name", [Name.CHECK_DEVICE, Name.NOTIFY_USER])
def test_an_attempt_that_was_taken_for_killed_too_soon_counts_when_it_ends(
    due: Run, broker: Broker, monkeypatch: pytest.MonkeyPatch, name: Name
) -> None:
    recover_runs()

    def act(step: Step) -> dict[str, str]:
        due.steps.update(leased_until=None)
        broker.lost = True
        assert recover_runs() == 1
        return {"done": name}

    outside = partial(ledger.outside, lease=timedelta(minutes=1))
    do = ledger.in_database if name == Name.CHECK_DEVICE else outside

    assert do(due.pk, name, act) == {"done": name}
    assert due.steps.get(name=name).state == Step.State.SUCCEEDED


def test_a_step_that_another_worker_holds_is_not_counted_as_killed(due: Run, published: list[UUID]) -> None:
    hold(due, Name.NOTIFY_USER, seconds=60)

    recover_runs(everything=True)

    assert due.steps.get(name=Name.NOTIFY_USER).cut_off == 0


def test_a_failed_run_is_gone_on_with_on_request_from_the_step_that_failed(due: Run, published: list[UUID]) -> None:
    steps.check_device(due.pk)
    ledger.fail_step(due.pk, Name.SAVE_EVENT, "the disk was full")
    assert recover_runs() == 0

    call_command("recover", "--failed")

    due.refresh_from_db()
    assert due.state == Run.State.QUEUED
    assert published == [due.pk]
    assert [step.state for step in due.steps.all()][:3] == ["succeeded", "waiting", "waiting"]


def test_a_run_whose_step_failed_while_nobody_could_say_so_of_the_run_is_ended(due: Run) -> None:
    due.steps.filter(name=Name.SAVE_EVENT).update(state=Step.State.FAILED)

    with pytest.raises(Ignore):
        tasks.save_event(str(due.pk))

    due.refresh_from_db()
    assert due.state == Run.State.FAILED


def test_a_run_of_a_kind_that_is_not_known_here_is_left_alone_and_holds_nothing_up(
    make_run: Callable[..., Run], published: list[UUID]
) -> None:
    unknown, known = make_run(), make_run()
    let_pass(unknown)
    let_pass(known, timedelta(minutes=1))
    Run.objects.filter(pk=unknown.pk).update(kind="of another version")

    assert recover_runs() == 1
    assert published == [known.pk]
