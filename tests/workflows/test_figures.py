"""Rolled-up figures say what a look at every row would."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Notice, SecurityEvent, SignIn, User, Verdict
from workflows import figures
from workflows.figures import Figures, Span
from workflows.models import Period, Run
from workflows.runs import create_run, create_run_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def site(db: None) -> None:
    """With nothing counted yet."""
    call_command("simulate", users=40, days=4, seed=3, verbosity=0)
    Period.objects.all().delete()


def sign_in(user: User, at: datetime, *, took: float | None = 0.1, **fields: object) -> SignIn:
    """With a run that ended ``took`` seconds later, or not yet."""
    made = SignIn.objects.create(user=user, created_at=at, issued_token=f"{at} {SignIn.objects.count()}", **fields)
    run = create_run(made)
    if took is not None:
        ended = at + timedelta(seconds=took)
        Run.objects.filter(pk=run.pk).update(state=Run.State.SUCCEEDED, finished_at=ended)
    Run.objects.filter(pk=run.pk).update(created_at=at)
    return made


def an_hour_begins() -> None:
    """Of which there is nothing yet."""
    now = timezone.now()
    Period.objects.filter(span=Span.HOUR, began_at__gt=now - timedelta(hours=1)).delete()


def test_all_that_there_is_is_counted_the_first_time(site: None) -> None:
    figures.roll_up()

    whole = figures.total(figures.read(Span.HOUR, NOON - timedelta(days=9000), timezone.now()).values()).counts
    assert whole["sign_ins"] == SignIn.objects.count()
    assert whole["failures"] == SecurityEvent.objects.filter(kind="sign_in_failed").count()
    for decision in Verdict.Decision.values:
        assert whole[decision] == Verdict.objects.filter(decision=decision).count()
    assert whole["runs_ended"] == Run.objects.exclude(finished_at=None).count()


def test_a_period_begins_with_its_hour_and_ends_before_the_next(alice: User) -> None:
    for at in (NOON, NOON + timedelta(minutes=59, seconds=59), NOON + timedelta(hours=1)):
        sign_in(alice, at)

    figures.write(NOON, NOON + timedelta(hours=2))
    hours = figures.read(Span.HOUR, NOON, NOON + timedelta(hours=2))
    assert {at: one.counts["sign_ins"] for at, one in hours.items()} == {NOON: 2, NOON + timedelta(hours=1): 1}
    assert figures.count(NOON, NOON + timedelta(minutes=1))[NOON].counts["sign_ins"] == 1


def test_a_sign_in_that_is_committed_while_it_is_counted_is_counted_in_full_the_next_time(alice: User) -> None:
    meanwhile = iter([NOON])

    def commit_between_two_counts(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        if 'FROM "accounts_securityevent"' in sql:
            for at in meanwhile:
                sign_in(alice, at)
        return execute(sql, *arguments)

    with connection.execute_wrapper(commit_between_two_counts):
        figures.write(NOON, NOON + timedelta(hours=1))
    figures.write(NOON, NOON + timedelta(hours=1))

    (hour,) = Period.objects.all()
    assert (hour.counts["sign_ins"], sum(hour.durations.values())) == (1, 1)


@pytest.mark.parametrize("hours", [0.5, 1, 5, 25])
def test_a_verdict_and_a_mail_that_come_late_are_counted_where_their_sign_in_was(alice: User, hours: float) -> None:
    at = timezone.now() - timedelta(hours=hours)
    late = sign_in(alice, at, took=None)
    sign_in(alice, timezone.now() - timedelta(minutes=2))
    Notice.objects.create(sign_in=late, message_id="late", state=Notice.State.HANDED_OVER)
    figures.roll_up()
    Verdict.objects.create(sign_in=late, score=90, decision=Verdict.Decision.DENY)
    Notice.objects.update(state=Notice.State.SENT)
    if hours > 1:
        an_hour_begins()
    figures.roll_up()

    for span in Span:
        *_, counted = figures.read(span, at - timedelta(hours=1), at).values()
        told = {name: counted.counts[name] for name in ("notices", "notices_unsent", "deny")}
        assert told == {"notices": 1, "notices_unsent": 0, "deny": 1}, span


@pytest.mark.parametrize("hours", [0.1, 0.5, 6, 50])
def test_a_run_is_counted_when_it_ends_however_late(alice: User, hours: float) -> None:
    began, ended = timezone.now() - timedelta(hours=hours), timezone.now() - timedelta(seconds=1)
    late = sign_in(alice, began, took=None)
    figures.roll_up()
    Run.objects.filter(sign_in=late).update(state=Run.State.FAILED, finished_at=ended, healed=3)
    figures.roll_up()

    for span in Span:
        *_, period = figures.read(span, ended - timedelta(hours=1), timezone.now()).items()
        at, figure = period
        assert timedelta(0) <= ended - at < (timedelta(hours=1) if span == Span.HOUR else timedelta(minutes=1))
        assert (figure.counts["runs_ended"], figure.counts["runs_failed"], figure.counts["healed"]) == (1, 1, 3)
        assert figure.percentile(0.99) == pytest.approx(hours * 3600, rel=figures.STEP - 1)


def test_runs_of_no_sign_in_are_counted(alice: User) -> None:
    sign_in(alice, timezone.now() - timedelta(minutes=1))
    run = create_run_of("password_change", alice, password_change=1)
    Run.objects.filter(pk=run.pk).update(state=Run.State.DEGRADED, finished_at=timezone.now())
    figures.roll_up()

    whole = figures.total(figures.read(Span.HOUR, run.created_at - timedelta(hours=2), timezone.now()).values())
    assert (whole.counts["runs_ended"], whole.counts["runs_degraded"]) == (2, 1)


def test_a_run_that_is_gone_on_with_has_failed_before(alice: User) -> None:
    now = timezone.now()
    run = Run.objects.filter(sign_in=sign_in(alice, now - timedelta(minutes=40)))
    run.update(state=Run.State.FAILED, finished_at=now - timedelta(minutes=30))
    figures.roll_up()
    run.update(state=Run.State.SUCCEEDED, finished_at=now - timedelta(minutes=5))
    figures.roll_up()

    for span in Span:
        whole = figures.total(figures.read(span, now - timedelta(hours=2), timezone.now()).values())
        assert (whole.counts["runs_ended"], whole.counts["runs_failed"], whole.durations.total()) == (2, 1, 2)


def test_what_has_not_changed_is_not_written_again(site: None) -> None:
    figures.roll_up()

    assert figures.roll_up() == 0


def test_a_first_time_that_is_cut_short_is_gone_on_with(site: None, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter([figures.count, figures.count])

    def cut_short(begin: datetime, end: datetime) -> dict[datetime, Figures]:
        return next(calls)(begin, end)

    with monkeypatch.context() as patched:
        patched.setattr(figures, "count", cut_short)
        with pytest.raises(StopIteration):
            figures.roll_up()
    assert Period.objects.filter(span=Span.HOUR).exists()
    figures.roll_up()

    whole = figures.total(figures.read(Span.HOUR, NOON - timedelta(days=9000), timezone.now()).values()).counts
    assert whole["sign_ins"] == SignIn.objects.count()


def test_rolling_up_again_changes_nothing(site: None) -> None:
    figures.roll_up()
    before = list(Period.objects.filter(span=Span.HOUR).order_by("began_at").values())
    figures.roll_up()

    assert list(Period.objects.filter(span=Span.HOUR).order_by("began_at").values()) == before


def test_hours_that_were_missed_are_caught_up_on(alice: User) -> None:
    now = timezone.now()
    sign_in(alice, now - timedelta(hours=40))
    figures.write(now - timedelta(hours=41), now - timedelta(hours=39))
    sign_in(alice, now - timedelta(hours=30))
    figures.roll_up()

    assert Period.objects.filter(span=Span.HOUR).count() == 2


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_a_percentile_is_right_to_within_a_twelfth(share: float) -> None:
    durations = [0.010 * 1.01**n for n in range(500)]
    one = Figures()
    for seconds in durations:
        one.durations[figures._step_of(timedelta(seconds=seconds))] += 1

    found = one.percentile(share)
    exact = durations[round(share * 500) - 1]
    assert found is not None
    assert exact <= found <= exact * figures.STEP


def test_of_no_runs_there_is_no_percentile() -> None:
    assert Figures().percentile(0.5) is None


def test_reading_a_month_is_one_statement(site: None, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    figures.roll_up()

    with django_assert_num_queries(1):
        assert figures.read(Span.HOUR, timezone.now() - timedelta(days=30), timezone.now())


def test_old_minutes_go_and_hours_stay(alice: User) -> None:
    old = timezone.now() - timedelta(days=3)
    for span in Span:
        Period.objects.create(span=span, began_at=old, counts={}, durations={})
    figures.roll_up()

    assert [period.span for period in Period.objects.all()] == [Span.HOUR]


def test_minutes_that_were_missed_are_caught_up_on_as_far_as_they_are_kept(alice: User) -> None:
    now = timezone.now()
    for hours in (1, 47, 50):
        sign_in(alice, now - timedelta(hours=hours))
    figures.roll_up()

    assert Period.objects.filter(span=Span.MINUTE).count() == 2


def ended(user: User, state: Run.State, *, resumed_at: datetime | None = None) -> None:
    """A sign-in at NOON whose run ended two days later."""
    run = sign_in(user, NOON, took=2 * 86400).run
    Run.objects.filter(pk=run.pk).update(state=state, resumed_at=resumed_at)


def test_a_run_that_a_person_ended_says_nothing_of_how_runs_end(alice: User) -> None:
    ended(alice, Run.State.CANCELLED)

    assert figures.count(NOON + timedelta(days=1), NOON + timedelta(days=3)) == {}


def test_a_run_that_was_gone_on_with_took_as_long_as_since_then(alice: User) -> None:
    ended(alice, Run.State.SUCCEEDED, resumed_at=NOON + timedelta(days=2, seconds=-10))

    (counted,) = figures.count(NOON + timedelta(days=1), NOON + timedelta(days=3)).values()
    assert counted.percentile(0.5) == pytest.approx(10, rel=0.09)
