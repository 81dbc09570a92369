"""A service that does not answer is left alone by all processes, asked again by one, and by all when it is back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from tests.workflows.risk_service import ALLOW, Answer, RiskService
from workflows import breakers, ledger, steps
from workflows.breakers import FIRST_REST, LONGEST_REST, OPENS_AFTER, Call, Open
from workflows.ledger import NotYet, TryAgain
from workflows.models import Alert, Attempt, Breaker, Run, Step
from workflows.risk import draining, risk_api

NAME = "risk.example.com"
pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime(2026, 3, 1, 22, 5, tzinfo=UTC), tick=False) as traveller:
        yield traveller


def fail(error: str = "no answer", retry_after: float | None = None) -> None:
    """As a process does that knows nothing of the last second."""
    call = begin()
    call.failed(error, retry_after)


def begin() -> Call:
    breakers.forget()
    call = Call(NAME)
    call.begin()
    return call


def open_it() -> None:
    for _ in range(OPENS_AFTER):
        fail()


def row() -> Breaker:
    return Breaker.objects.get(name=NAME)


def rest() -> float:
    """Seconds until the next probe."""
    probe_at = row().probe_at
    assert probe_at
    return (probe_at - timezone.now()).total_seconds()


# --- Opening ------------------------------------------------------------------------------------------------


def test_it_opens_after_failures_in_a_row_and_then_nobody_asks() -> None:
    for _ in range(OPENS_AFTER - 1):
        fail()
    begin()  # still
    fail()

    with pytest.raises(Open) as left_alone:
        begin()
    assert FIRST_REST - 1 < left_alone.value.delay <= FIRST_REST
    assert "risk.example.com has not answered since" in str(left_alone.value)


def test_an_answer_between_failures_begins_the_row_anew() -> None:
    for _ in range(OPENS_AFTER - 1):
        fail()
    begin().answered()
    assert (row().failures, row().failing_since) == (0, None)
    for _ in range(OPENS_AFTER - 1):
        fail()

    begin()


def test_an_answer_that_was_not_written_begins_the_row_anew_too(clock: time_machine.Traveller) -> None:
    """It came before this process looked at the row again, where others had failures."""
    call = begin()
    for _ in range(OPENS_AFTER - 1):
        Call(NAME).failed("another process'")
    clock.shift(0.5)
    breakers._seen[NAME] = (float("inf"), Breaker(name=NAME))
    call.answered()
    assert row().failures == OPENS_AFTER - 1
    clock.shift(0.5)
    call.failed("no answer")

    assert (row().failures, row().opened_at) == (1, None)


def test_opening_raises_one_alert_in_the_same_transaction(clock: time_machine.Traveller) -> None:
    for _ in range(OPENS_AFTER - 1):
        fail()
    with transaction.atomic():
        fail("at last")
        assert row().opened_at
        transaction.set_rollback(True)
    assert (row().opened_at, Alert.objects.count()) == (None, 0)

    late = begin()
    fail("503: we are being updated")
    late.failed("one that was under way")
    clock.shift(FIRST_REST + 1)
    fail("the probe")

    alert = Alert.objects.get()
    assert alert.kind == Alert.Kind.BREAKER_OPENED
    assert alert.text == "risk.example.com: 5 failures in a row, at last: 503: we are being updated"


def test_each_opening_raises_an_alert(clock: time_machine.Traveller) -> None:
    for _ in range(2):
        open_it()
        clock.shift(FIRST_REST + 1)
        begin().answered()

    assert Alert.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_failures_of_many_processes_at_once_are_counted_together_and_open_it_once() -> None:
    together = Barrier(8)

    def fail_at_once(_: int) -> None:
        try:
            connection.ensure_connection()
            together.wait(timeout=10)
            Call(NAME).failed("no answer")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fail_at_once, range(8)))

    assert row().failures == OPENS_AFTER
    assert Alert.objects.count() == 1


# --- Probing ------------------------------------------------------------------------------------------------


def test_one_probes_and_the_others_wait_a_moment(clock: time_machine.Traveller) -> None:
    open_it()
    clock.shift(FIRST_REST)

    assert begin().is_probe
    with pytest.raises(Open) as left_alone:
        begin()
    assert left_alone.value.delay == breakers.SOON


@pytest.mark.django_db(transaction=True)
def test_of_many_that_come_when_a_probe_is_due_one_makes_it() -> None:
    open_it()
    Breaker.objects.update(probe_at=timezone.now())
    breakers.forget()
    together = Barrier(6)

    def come(_: int) -> bool:
        try:
            connection.ensure_connection()
            together.wait(timeout=10)
            call = Call(NAME)
            call.begin()
        except Open:
            return False
        finally:
            connection.close()
        return call.is_probe

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(come, range(6))) == 1


def test_an_answer_to_the_probe_closes_it(clock: time_machine.Traveller, caplog: pytest.LogCaptureFixture) -> None:
    open_it()
    clock.shift(FIRST_REST)

    begin().answered()

    breaker = row()
    assert (breaker.failures, breaker.opened_at, breaker.probe_at, breaker.probing) == (0, None, None, False)
    assert breaker.closed_at == timezone.now()
    assert ("workflows.breakers", logging.WARNING, "risk.example.com answers again") in caplog.record_tuples
    begin()


def test_a_probe_that_fails_doubles_the_rest_up_to_a_limit(clock: time_machine.Traveller) -> None:
    open_it()
    rests = [rest()]
    for _ in range(5):
        clock.shift(rests[-1])
        fail()
        rests.append(rest())

    assert rests == [5, 10, 20, 40, LONGEST_REST, LONGEST_REST]


def test_a_service_may_ask_for_a_longer_rest_within_limits(clock: time_machine.Traveller) -> None:
    for _ in range(OPENS_AFTER - 1):
        fail()
    fail(retry_after=90)
    assert rest() == 90
    clock.shift(90)
    fail(retry_after=86_400)

    assert rest() == breakers.LONGEST_ASKED


def test_where_the_one_that_probes_is_killed_another_does(clock: time_machine.Traveller) -> None:
    open_it()
    clock.shift(FIRST_REST)
    begin()
    clock.shift(breakers.PROBE)

    assert begin().is_probe


# --- What it costs ------------------------------------------------------------------------------------------


def test_while_all_is_well_the_row_is_read_once_a_second_and_never_written() -> None:
    with CaptureQueriesContext(connection) as queries:
        for _ in range(100):
            call = Call(NAME)
            call.begin()
            call.answered()

    assert 1 <= len(queries) <= 3
    assert all(query["sql"].startswith("SELECT") for query in queries)


# --- The step -----------------------------------------------------------------------------------------------


@pytest.fixture
def ready(run: Run) -> Run:
    """What comes before the post is done."""
    steps.check_device(run.pk)
    steps.save_event(run.pk)
    return run


def post_of(run: Run) -> Step:
    return run.steps.get(name=steps.Name.POST_TO_RISK_API)


def open_for_risk_api() -> None:
    for _ in range(OPENS_AFTER):
        Call(risk_api.host()).failed("no answer")


def test_behind_an_open_breaker_a_step_waits_without_an_attempt_or_a_post(ready: Run, risk: RiskService) -> None:
    open_for_risk_api()

    with pytest.raises(NotYet) as not_yet:
        steps.post_to_risk_api(ready.pk)

    step = post_of(ready)
    ready.refresh_from_db()
    assert (step.state, step.attempts, ready.state) == (Step.State.RETRYING, 0, Run.State.RETRYING)
    assert "is left alone" in step.error
    assert step.leased_until is not None
    assert FIRST_REST - 1 < not_yet.value.delay <= FIRST_REST + draining.LEAST
    assert risk.requests == []
    assert not Attempt.objects.exists()


def test_its_first_attempt_is_when_the_service_is_back(ready: Run, risk: RiskService) -> None:
    open_for_risk_api()
    with pytest.raises(NotYet):
        steps.post_to_risk_api(ready.pk)
    Breaker.objects.update(probe_at=timezone.now())
    Step.objects.update(leased_until=timezone.now())
    breakers.forget()

    assert steps.post_to_risk_api(ready.pk) == ALLOW

    assert post_of(ready).attempts == 1
    assert Breaker.objects.get().opened_at is None


@pytest.mark.parametrize(
    ("answer", "failures"),
    [
        (Answer(status=500), 1),
        (Answer(status=503), 1),
        (Answer(status=429), 1),
        (Answer(status=302), 1),
        (Answer(body=b"no assessment"), 1),
        (Answer(status=401), 0),
        (Answer(status=404), 0),
        (Answer(status=422), 0),
        (Answer(), 0),
    ],
    ids=lambda value: str(getattr(value, "status", value)),
)
def test_what_counts_as_a_failure(ready: Run, risk: RiskService, answer: Answer, failures: int) -> None:
    risk.answer = answer
    with suppress(TryAgain, risk_api.RiskApiRefused):
        steps.post_to_risk_api(ready.pk)

    assert sum(Breaker.objects.values_list("failures", flat=True)) == failures


def test_no_answer_counts_as_a_failure(ready: Run, settings: Settings) -> None:
    settings.RISK_API_URL = "http://127.0.0.1:1"

    with pytest.raises(TryAgain):
        steps.post_to_risk_api(ready.pk)

    assert Breaker.objects.get().name == "127.0.0.1:1"
    assert Breaker.objects.get().failures == 1


def test_reaching_the_time_limit_counts_as_a_failure(
    ready: Run, risk: RiskService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*args: object, **kwargs: object) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(risk_api, "assess", endless)
    with pytest.raises(TryAgain):
        steps.post_to_risk_api(ready.pk)

    assert Breaker.objects.get().failures == 1


@pytest.mark.parametrize(("status", "closes"), [(201, True), (422, True), (404, False), (500, False)])
def test_a_probe_closes_it_by_an_assessment_or_a_refusal(
    ready: Run, risk: RiskService, status: int, closes: bool
) -> None:
    open_for_risk_api()
    Breaker.objects.update(probe_at=timezone.now())
    breakers.forget()
    risk.answer = Answer(status=status)
    with suppress(TryAgain, risk_api.RiskApiRefused):
        steps.post_to_risk_api(ready.pk)

    assert len(risk.requests) == 1
    assert (Breaker.objects.get().opened_at is None) == closes
    assert Breaker.objects.get().probing is False


def test_waiting_behind_it_ends_with_the_budget(ready: Run, risk: RiskService, settings: Settings) -> None:
    open_for_risk_api()
    settings.RISK_API_BUDGET = 3.0
    with pytest.raises(NotYet) as not_yet:
        steps.post_to_risk_api(ready.pk)
    assert not_yet.value.delay <= 3.2
    Step.objects.update(leased_until=None, started_at=timezone.now() - timedelta(seconds=3.1))

    with pytest.raises(risk_api.RiskApiAway, match="no assessment within 0:00:03"):
        steps.post_to_risk_api(ready.pk)
    assert risk.requests == []


def test_whose_budget_is_over_waits_for_the_end_of_a_probe(ready: Run, risk: RiskService) -> None:
    """As after a night without workers: the first that comes probes, and those behind it are not to fail meanwhile."""
    open_for_risk_api()
    Breaker.objects.update(probe_at=timezone.now())
    breakers.forget()
    probe = Call(risk_api.host())
    probe.begin()
    Step.objects.update(started_at=timezone.now() - timedelta(hours=7))

    with pytest.raises(NotYet) as not_yet:
        steps.post_to_risk_api(ready.pk)
    assert not_yet.value.delay <= breakers.SOON + 0.1
    probe.answered()
    Step.objects.update(leased_until=None)

    assert steps.post_to_risk_api(ready.pk) == ALLOW


def test_those_that_wait_come_back_over_the_time_that_the_rate_allows(
    make_run: Callable[..., Run], settings: Settings
) -> None:
    for _ in range(6):
        make_run()
    Run.objects.update(state=Run.State.RETRYING)

    settings.RISK_API_RATE = 100.0
    assert draining.seconds() == draining.LEAST
    settings.RISK_API_RATE = 0.5
    assert draining.seconds() == 12
    settings.RISK_API_RATE = 0.01
    assert draining.seconds() == draining.LONGEST


def test_a_run_that_waits_has_not_stalled(ready: Run, risk: RiskService) -> None:
    """Recovery leaves it alone until well after its time."""
    Run.objects.filter(pk=ready.pk).update(stalls=3)
    open_for_risk_api()
    with pytest.raises(NotYet):
        steps.post_to_risk_api(ready.pk)

    ready.refresh_from_db()
    leased_until = post_of(ready).leased_until
    assert leased_until
    assert ready.stalls == 0
    assert ready.recover_at >= leased_until + timedelta(seconds=20)
    with pytest.raises(ledger.StepTaken):
        steps.post_to_risk_api(ready.pk)
