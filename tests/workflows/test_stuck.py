"""Operators are told of runs that take longer than they should: once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from workflows import runs
from workflows.alerting.stuck import LASTS, look_for_stuck_runs
from workflows.breakers import OPENS_AFTER, Call
from workflows.models import Alert, Breaker, Run, Step
from workflows.risk import risk_api
from workflows.steps import Name

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(settings: Settings) -> Iterator[time_machine.Traveller]:
    settings.RUN_OBJECTIVE = 60.0
    with time_machine.travel(datetime(2026, 3, 1, 22, 5, tzinfo=UTC), tick=False) as traveller:
        yield traveller


def open_breaker() -> None:
    for _ in range(OPENS_AFTER):
        Call(risk_api.host()).failed("no answer")


def wait_behind_it(run: Run) -> None:
    later = timezone.now() + timedelta(seconds=30)
    Step.objects.filter(run=run, name=Name.POST_TO_RISK_API).update(state=Step.State.RETRYING, leased_until=later)
    runs.mark_retrying(run.pk, later)


def stuck_alerts() -> list[Alert]:
    return list(Alert.objects.filter(kind=Alert.Kind.RUNS_STUCK))


def test_it_says_how_many_and_names_the_oldest(make_run: Callable[..., Run], clock: time_machine.Traveller) -> None:
    oldest = make_run()
    clock.shift(30)
    make_run()
    clock.shift(31)
    assert look_for_stuck_runs() == 1
    (alert,) = stuck_alerts()
    assert alert.run == oldest
    assert alert.text == "1 run has not ended within 60 s; the oldest is 61 s old"


def test_however_long_it_lasts_it_is_one_alert(make_run: Callable[..., Run], clock: time_machine.Traveller) -> None:
    for _ in range(30):
        make_run()
        clock.shift(30)
        look_for_stuck_runs()

    assert len(stuck_alerts()) == 1


def test_what_comes_again_after_a_while_is_another(make_run: Callable[..., Run], clock: time_machine.Traveller) -> None:
    for alerts in (1, 2):
        run = make_run()
        clock.shift(61)
        look_for_stuck_runs()
        runs.finish_run(run)
        clock.shift(LASTS + 1)
        assert look_for_stuck_runs() == 0
        assert len(stuck_alerts()) == alerts


def test_runs_that_ended_or_are_young_are_none(make_run: Callable[..., Run], clock: time_machine.Traveller) -> None:
    runs.finish_run(make_run())
    runs.fail_run(make_run().pk)
    clock.shift(61)
    make_run()

    assert look_for_stuck_runs() == 0
    assert stuck_alerts() == []


def test_a_run_that_was_gone_on_with_is_as_young_as_that(run: Run, clock: time_machine.Traveller) -> None:
    runs.fail_run(run.pk)
    clock.shift(timedelta(days=2))
    runs.reopen_failed_runs()
    assert look_for_stuck_runs() == 0

    clock.shift(41)
    runs.mark_published(run.pk)  # which makes it no younger
    clock.shift(20)
    assert look_for_stuck_runs() == 1
    assert stuck_alerts()[0].text.endswith("the oldest is 61 s old")


def test_those_that_merely_wait_behind_an_open_breaker_are_none(
    make_run: Callable[..., Run], clock: time_machine.Traveller
) -> None:
    waiting, lost = make_run(), make_run()
    wait_behind_it(waiting)
    open_breaker()
    clock.shift(61)

    assert look_for_stuck_runs() == 1
    assert stuck_alerts()[0].run == lost


def test_when_it_is_closed_they_have_the_same_time_to_come_back(run: Run, clock: time_machine.Traveller) -> None:
    wait_behind_it(run)
    open_breaker()
    clock.shift(600)
    Call(risk_api.host()).answered()
    assert Breaker.objects.get().closed_at == timezone.now()
    clock.shift(60)
    assert look_for_stuck_runs() == 0

    clock.shift(1)
    assert look_for_stuck_runs() == 1


def test_those_that_a_service_fails_which_answers_others_are_told_of(run: Run, clock: time_machine.Traveller) -> None:
    wait_behind_it(run)
    clock.shift(61)

    assert look_for_stuck_runs() == 1
