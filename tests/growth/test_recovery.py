"""What beat has done again and again touches what there is to do, and not what has been done."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from datetime import timedelta
from uuid import UUID

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from accounts import answers
from accounts.models import Notice, SignIn
from tests.growth.plans import Statement, assert_touched, explained
from tests.workflows.risk_service import risk_service
from workflows import backlog, breakers, missed_calls, periodic, publishing, runs
from workflows.alerting import alerts
from workflows.backlog import Look
from workflows.models import Alert, Chord, Run, Step
from workflows.risk import draining, risk_api

QUEUES = ("sign_in", "under_way", "mail", "risk")
LONG_AGO = timedelta(minutes=5)
# Of these half stand still, and one each is held by a worker, waits to be tried again, and has failed.
UNFINISHED = 30

pytestmark = pytest.mark.usefixtures("site")


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, its queues are empty, and it takes what it is given."""

    def take(offered: Collection[Run]) -> list[UUID]:
        for run in offered:
            runs.mark_published(run.pk)
        return [run.pk for run in offered]

    monkeypatch.setattr(backlog, "look", lambda: Look(heads=dict.fromkeys(QUEUES, timezone.now()), lost=False))
    monkeypatch.setattr(publishing, "publish_all", take)


@pytest.fixture
def unfinished(site: None) -> list[Run]:
    made = [make_run(number + 1) for number in range(UNFINISHED)]
    still = [run.pk for run in made[: UNFINISHED // 2]]
    then = timezone.now() - LONG_AGO
    Run.objects.filter(pk__in=still).update(published=1, published_at=then, recover_at=then)
    held, retrying, failed, *_ = made
    Step.objects.filter(run=held).update(state=Step.State.RUNNING, leased_until=timezone.now() + LONG_AGO)
    runs.mark_retrying(retrying.pk, timezone.now() + LONG_AGO)
    runs.fail_run(failed.pk)
    return made


def make_run(user: int) -> Run:
    return runs.create_run(SignIn.objects.create(user_id=user, issued_token=secrets.token_hex()))


def assert_little_was_touched(statements: list[Statement]) -> None:
    """A few rows of each unfinished run at most, and no other."""
    assert_touched(statements, rows=10 * UNFINISHED, buffers=50 * UNFINISHED)


@pytest.mark.usefixtures("broker")
def test_recovery_with_nothing_to_do() -> None:
    with explained() as statements:
        assert periodic.recover() == 0

    assert_touched(statements, rows=5, buffers=50)


@pytest.mark.usefixtures("broker", "unfinished")
def test_recovery() -> None:
    with explained() as statements:
        assert periodic.recover() == UNFINISHED // 2 - 3

    assert_little_was_touched(statements)


@pytest.mark.usefixtures("unfinished")
def test_what_a_lost_broker_held() -> None:
    with explained() as statements:
        assert runs.mark_lost(timezone.now()) == UNFINISHED // 2 - 2

    assert_little_was_touched(statements)


def test_an_interrupted_run(unfinished: list[Run]) -> None:
    with explained() as statements:
        runs.mark_interrupted(unfinished[3].pk, timezone.now())

    assert_little_was_touched(statements)


def test_chords_that_are_due() -> None:
    Chord.objects.filter(pk__lte=3).update(publish_at=timezone.now() + LONG_AGO)

    with explained() as statements:
        assert periodic.publish_due_chords() == 0

    assert_touched(statements, rows=5, buffers=50)


def test_notices_that_are_due() -> None:
    later = timezone.now() - LONG_AGO
    Notice.objects.filter(pk__lte=3).update(state=Notice.State.HANDED_OVER, next_attempt_at=later, created_at=later)

    with explained() as statements:
        assert periodic.deliver_notices() == 3

    assert len(mail.outbox) == 3
    assert_touched(statements, rows=30, buffers=200)


def test_alerts_that_are_told(unfinished: list[Run], settings: Settings) -> None:
    settings.OPERATOR_EMAILS = ["ops@example.com"]
    alerts.raise_alert(Alert.Kind.RUN_FAILED, "another", unfinished[0].pk)

    with explained() as statements:
        assert periodic.tell_operators() == 2

    assert_touched(statements, rows=10, buffers=100)


def test_alerts_that_are_posted(unfinished: list[Run], settings: Settings) -> None:
    """Of many thousands that never were, as there was no webhook."""
    alerts.raise_alert(Alert.Kind.RUN_FAILED, "another", unfinished[0].pk)

    with risk_service() as receiver, explained() as statements:
        settings.OPERATOR_WEBHOOK_URL = receiver.url
        settings.OPERATOR_WEBHOOK_SECRET = settings.RISK_API_SECRET
        assert periodic.post_alerts() == 2

    assert_touched(statements, rows=10, buffers=100)


@pytest.mark.parametrize("tell", [periodic.tell_operators, periodic.post_alerts])
def test_alerts_that_wait_for_the_next_message(
    unfinished: list[Run], settings: Settings, tell: Callable[[], int]
) -> None:
    settings.OPERATOR_EMAILS = ["ops@example.com"]
    with risk_service() as receiver:
        settings.OPERATOR_WEBHOOK_URL, settings.OPERATOR_WEBHOOK_SECRET = receiver.url, settings.RISK_API_SECRET
        assert tell() == 1
        for number in range(3):
            alerts.raise_alert(Alert.Kind.RUN_FAILED, f"number {number}", unfinished[0].pk)

        with explained() as statements:
            assert tell() == 0

    assert_touched(statements, rows=10, buffers=100)


@pytest.mark.usefixtures("unfinished")
def test_runs_that_take_too_long(settings: Settings) -> None:
    """Of all runs those that have not ended are read, and each of their steps at most."""
    settings.RUN_OBJECTIVE = -1.0

    with explained() as statements:
        assert periodic.look_for_stuck_runs() == UNFINISHED - 1

    assert_little_was_touched(statements)
    looks = [statement for statement in statements if "workflows_run" in statement.sql and "SELECT" in statement.sql]
    assert looks
    assert all("run_unfinished_by_recover_at" in statement.indexes for statement in looks)


@pytest.mark.usefixtures("unfinished")
def test_runs_that_take_too_long_while_a_breaker_is_open(settings: Settings) -> None:
    settings.RUN_OBJECTIVE = -1.0
    for _ in range(breakers.OPENS_AFTER):
        breakers.Call(risk_api.host()).failed("no answer")

    with explained() as statements:
        assert periodic.look_for_stuck_runs() == UNFINISHED - 1

    assert_little_was_touched(statements)


@pytest.mark.usefixtures("unfinished")
def test_runs_that_wait_for_a_service_are_counted() -> None:
    with explained() as statements:
        assert draining.seconds() == draining.LEAST

    assert_little_was_touched(statements)


def test_failed_runs_that_are_gone_on_with(unfinished: list[Run]) -> None:
    with explained() as statements:
        assert runs.reopen_failed_runs() == 1

    assert_little_was_touched(statements)


def test_runs_whose_mail_was_given_up_long_ago() -> None:
    given_up = Notice.objects.filter(pk__lte=2000)
    given_up.update(state=Notice.State.GIVEN_UP)
    Run.objects.filter(sign_in__notice__in=given_up).update(state=Run.State.DEGRADED)

    Run.objects.filter(kind="password_change", created_at__lt=timezone.now() - timedelta(days=180)).update(
        state=Run.State.DEGRADED
    )

    with explained() as statements:
        assert periodic.deliver_notices() == 0

    assert_little_was_touched(statements)


def test_notices_that_are_to_be_followed_up() -> None:
    Notice.objects.filter(pk__lte=3).update(follow_up_at=timezone.now() + timedelta(days=1))

    with explained() as statements:
        assert periodic.schedule_follow_ups() == 0

    assert_touched(statements, rows=5, buffers=50)


def test_a_sign_in_that_was_not_its_persons() -> None:
    """What it touches grows with what that person did from that device, and with nothing else."""
    sign_in = SignIn.objects.exclude(user=1).latest("pk")
    with explained() as statements:
        assert answers.answer(sign_in, SignIn.Answer.NOT_MINE)

    assert_little_was_touched(statements)


def test_error_callbacks_of_runs_that_failed_long_ago() -> None:
    last_week = timezone.now() - timedelta(days=7)
    failed = list(Run.objects.order_by("pk").values_list("pk", flat=True)[:2000])
    Run.objects.filter(pk__in=failed).update(state=Run.State.FAILED, finished_at=last_week)
    Step.objects.filter(run__in=failed).update(state=Step.State.FAILED, finished_at=last_week)

    with explained() as statements:
        assert missed_calls.make_up_missed_calls() == 0

    assert_little_was_touched(statements)


def test_error_callbacks_that_nobody_called(unfinished: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "publish_error_callbacks", lambda errbacks: len(list(errbacks)))
    failed = Step.objects.filter(run=unfinished[2], name="post_to_risk_api")
    failed.update(state=Step.State.FAILED, finished_at=timezone.now() - LONG_AGO)

    with explained() as statements:
        assert missed_calls.make_up_missed_calls() == 2

    assert_little_was_touched(statements)
