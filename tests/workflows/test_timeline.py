"""When each step waited and when it ran, attempt by attempt."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from workflows import ledger, runs, steps
from workflows.models import Attempt, Run, Step
from workflows.presentation import timeline
from workflows.presentation.timeline import LINE, Line

BEGAN = timezone.now().replace(microsecond=0)
HOUR = 3600


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def drawn(run: Run, *, now: float) -> dict[str, Line]:
    Run.objects.filter(pk=run.pk).update(created_at=BEGAN)
    fresh = Run.objects.get(pk=run.pk)
    attempts = Attempt.objects.filter(step__run=run).order_by("pk")
    return {line.name: line for line in timeline.draw(fresh, attempts, at(now)).lines}


def put(run: Run, name: str, **fields: Any) -> Step:
    run.steps.filter(name=name).update(**fields)
    return run.steps.get(name=name)


def done(run: Run, name: str, began: float, ended: float, *, attempts: int = 1) -> Step:
    times = {"started_at": at(began), "attempted_at": at(began), "finished_at": at(ended)}
    return put(run, name, state=Step.State.SUCCEEDED, attempts=attempts, **times)


def spans(line: Line) -> list[tuple[str, float, float]]:
    return [
        (bar.span.words, (bar.span.began - BEGAN).total_seconds(), (bar.span.ended - BEGAN).total_seconds())
        for bar in line.bars
    ]


def test_a_step_is_queued_then_waits_for_a_worker_then_runs(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(published=1, published_at=at(1))
    done(run, "check_device", 3, 4)
    lines = drawn(run, now=6)
    assert spans(lines["check_device"]) == [
        ("queued", 0, 1), ("waiting for a worker", 1, 3), ("attempt 1, done", 3, 4),
    ]  # fmt: skip
    assert lines["check_device"].says == "waited 3.0 s, ran 1.0 s"
    assert spans(lines["save_event"]) == [("waiting for a worker", 4, 6)]
    assert lines["save_event"].bars[0].takes == "2.0 s so far"
    assert (spans(lines["post_process"]), lines["post_process"].says) == ([], "")


def test_of_a_run_that_was_published_again_the_first_time_is_not_known(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(published=2, published_at=at(1))
    assert spans(drawn(run, now=5)["check_device"]) == [("queued", 0, 5)]


def test_attempts_and_the_waits_between_them_are_told_apart(run: Run) -> None:
    done(run, "check_device", 0, 0)
    step = put(run, "notify_user", state=Step.State.RETRYING, attempts=2, started_at=at(1), attempted_at=at(7),
               leased_until=at(28))  # fmt: skip
    for number, began in ((1, 1), (2, 7)):
        Attempt.objects.create(step=step, number=number, outcome="put_off", began_at=at(began), ended_at=at(began + 1))
    assert spans(drawn(run, now=10)["notify_user"]) == [
        ("waiting for a worker", 0, 1), ("attempt 1, put off", 1, 2), ("waiting to be tried again", 2, 7),
        ("attempt 2, put off", 7, 8), ("waiting to be tried again", 8, 10),
    ]  # fmt: skip


def test_an_attempt_that_did_it_in_the_end_follows_those_that_did_not(run: Run) -> None:
    done(run, "check_device", 5, 6, attempts=2)
    step = put(run, "check_device", started_at=at(1))
    Attempt.objects.create(step=step, number=1, outcome="killed", began_at=at(1), ended_at=at(3))
    line = drawn(run, now=9)["check_device"]
    assert [words for words, _, _ in spans(line)] == [
        "queued", "attempt 1, killed", "waiting for a worker", "attempt 2, done",
    ]  # fmt: skip
    assert [bar.span.code for bar in line.bars] == ["queued", "failed", "waiting", "succeeded"]


def test_a_running_attempt_lasts_still(run: Run) -> None:
    put(run, "check_device", state=Step.State.RUNNING, attempts=1, started_at=at(1), attempted_at=at(1))
    assert spans(drawn(run, now=4)["check_device"])[-1] == ("attempt 1, running", 1, 4)


def test_a_failed_run_waits_for_nothing(run: Run) -> None:
    step = put(run, "check_device", state=Step.State.FAILED, attempts=1, started_at=at(1), attempted_at=at(1),
               finished_at=at(2))  # fmt: skip
    Attempt.objects.create(step=step, number=1, outcome="failed", began_at=at(1), ended_at=at(2))
    Run.objects.filter(pk=run.pk).update(state=Run.State.FAILED, finished_at=at(2))
    lines = drawn(run, now=500)
    assert spans(lines["check_device"]) == [("queued", 0, 1), ("attempt 1, failed", 1, 2)]
    assert [line.bars for name, line in lines.items() if name != "check_device"] == [()] * 4


def failed_for_good(run: Run, name: str, began: float, ended: float, *, outcome: str = "failed") -> Step:
    """The first attempt at it; the run was resumed since."""
    step = put(run, name, attempts=1)
    Attempt.objects.create(step=step, number=1, outcome=outcome, began_at=at(began), ended_at=at(ended))
    Run.objects.filter(pk=run.pk).update(resumed=1, published=2)
    return step


def test_a_run_that_was_failed_did_not_wait_for_a_worker_until_it_was_resumed(run: Run) -> None:
    failed_for_good(run, "check_device", 1, 2)
    Run.objects.filter(pk=run.pk).update(published_at=at(8 * HOUR))
    done(run, "check_device", 8 * HOUR + 3, 8 * HOUR + 5, attempts=2)
    line = drawn(run, now=9 * HOUR)["check_device"]
    assert spans(line)[1:] == [
        ("attempt 1, failed", 1, 2), ("failed, until it was resumed", 2, 8 * HOUR),
        ("waiting for a worker", 8 * HOUR, 8 * HOUR + 3), ("attempt 2, done", 8 * HOUR + 3, 8 * HOUR + 5),
    ]  # fmt: skip
    assert line.bars[2].span.code == "idle"
    assert line.says == "waited 4.0 s, ran 3.0 s, was failed 7 h 59 min"


def test_a_run_that_is_resumed_as_operators_do_has_its_times_told_apart(run: Run) -> None:
    runs.mark_published(run.pk)
    ledger.fail_step(run.pk, "check_device", "x")
    runs.reopen([run.pk], timezone.now())
    runs.mark_published(run.pk)
    steps.check_device(run.pk)
    attempts = Attempt.objects.filter(step__run=run)
    first = timeline.draw(Run.objects.get(pk=run.pk), attempts, timezone.now()).lines[0]
    assert [bar.span.words for bar in first.bars] == [
        "queued", "attempt 1, failed", "failed, until it was resumed", "waiting for a worker", "attempt 2, done",
    ]  # fmt: skip


@pytest.mark.parametrize("fields", [{"published_at": None}, {"published_at": at(1)}, {"published": 3}])
def test_when_a_run_was_resumed_is_not_told_where_it_is_not_known(run: Run, fields: dict[str, Any]) -> None:
    failed_for_good(run, "check_device", 1, 2)
    Run.objects.filter(pk=run.pk).update(**({"published_at": at(HOUR)} | fields))
    line = drawn(run, now=HOUR)["check_device"]
    assert spans(line)[2:] == [("failed, then resumed", 2, HOUR)]


def test_what_waits_beside_a_step_that_failed_waits_for_no_worker_while_the_run_is_failed(run: Run) -> None:
    done(run, "check_device", 0, 1)
    failed_for_good(run, "notify_user", 1, 4)
    done(run, "notify_user", HOUR + 2, HOUR + 3, attempts=2)
    Run.objects.filter(pk=run.pk).update(published_at=at(HOUR))
    # It was put off when the run had failed already.
    save = put(run, "save_event", state=Step.State.RETRYING, attempts=1, started_at=at(2), attempted_at=at(2))
    Attempt.objects.create(step=save, number=1, outcome="put_off", began_at=at(2), ended_at=at(5))
    assert spans(drawn(run, now=HOUR + 6)["save_event"]) == [
        ("waiting for a worker", 1, 2), ("attempt 1, put off", 2, 5), ("failed, until it was resumed", 5, HOUR),
        ("waiting to be tried again", HOUR, HOUR + 6),
    ]  # fmt: skip


def test_a_step_whose_process_was_killed_too_often_is_failed_until_it_is_begun_anew(run: Run) -> None:
    failed_for_good(run, "check_device", 1, 2, outcome="killed")
    Run.objects.filter(pk=run.pk).update(published_at=at(HOUR))
    assert spans(drawn(run, now=HOUR + 1)["check_device"])[2:] == [
        ("failed, until it was resumed", 2, HOUR), ("waiting for a worker", HOUR, HOUR + 1),
    ]  # fmt: skip


def test_bars_stay_on_the_line_and_are_never_too_thin_to_be_seen(run: Run) -> None:
    done(run, "check_device", 0.001, 0.002)
    put(run, "notify_user", state=Step.State.RUNNING, attempts=1, started_at=at(1), attempted_at=at(1))
    done(run, "save_event", 7199.999, 7200)
    for line in drawn(run, now=7200).values():
        for bar in line.bars:
            assert bar.width >= timeline.THINNEST and 0 <= bar.x <= bar.x + bar.width <= LINE
