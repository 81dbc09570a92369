"""The admin's front page: how the site does, without a look at each sign-in."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import SignIn, User
from loginwatch.dashboard import charts, site
from loginwatch.dashboard.charts import Chart, Series
from workflows import backlog, figures, runs
from workflows.models import Breaker, Period, Run


@pytest.fixture
def operator(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.DEBUG = True  # so that a history is taken beside accounts
    monkeypatch.setattr(backlog, "lengths", lambda: {"sign_in": 3, "bulk": 20_000})


def chart(*series: Series, stacked: bool = False) -> Chart:
    moments = [f"{n:02}:00" for n in range(len(series[0].values))]
    return Chart("Sign-ins", "by when they were", moments, series, lambda value: f"{value:g}", stacked=stacked)


@pytest.mark.parametrize("window", list(site.WINDOWS))
def test_every_window_has_its_charts_each_with_its_table(operator: Client, window: str) -> None:
    call_command("simulate", users=20, days=3, seed=1, verbosity=0)
    figures.roll_up()

    page = operator.get("/admin/", {"window": window}).content.decode()

    assert page.count('<svg class="chart"') == page.count("<figure") == page.count("<details>") == 6
    assert f'<a href="?window={window}" aria-current="page">' in page
    assert "20,000 waiting" in page
    if window in ("week", "month"):
        assert re.search(r'aria-label="Sign-ins\. worked: at most \d', page)


def test_a_window_that_is_none_is_a_day(operator: Client) -> None:
    assert "The last day" in operator.get("/admin/", {"window": "<b>"}).content.decode()


def test_a_new_site_has_empty_charts(operator: Client) -> None:
    page = operator.get("/admin/").content.decode()

    assert page.count("Nothing yet.") >= 6


def test_staff_see_the_figures_by_one_permission_and_else_the_admin_without(
    client: Client, make_user: Callable[..., User]
) -> None:
    clerk = make_user("clerk", is_staff=True)
    client.force_login(clerk)

    page = client.get("/admin/")

    assert page.status_code == 200
    assert b"site-dashboard" not in page.content

    clerk.user_permissions.set(Permission.objects.filter(codename="view_period"))
    page = client.get("/admin/")

    assert page.content.count(b'<svg class="chart"') == 6


def test_each_chart_says_by_what_moment_it_counts(operator: Client) -> None:
    page = operator.get("/admin/").content.decode()

    assert [page.count(f"<small>{moment}</small>") for moment in (site.AT_SIGN_IN, site.AT_END)] == [3, 3]


@pytest.mark.parametrize(("objective", "tone"), [(3600.0, "good"), (600.0, "warn"), (60.0, "bad")])
def test_the_oldest_unfinished_run_is_the_one_that_began_first(
    alice: User, settings: Settings, objective: float, tone: str
) -> None:
    """Also where it waits for its next attempt, and recovery looks at it after those that began since."""
    settings.RUN_OBJECTIVE = objective
    now = timezone.now()
    oldest, _ = (runs.create_run_of("password_change", alice) for _ in range(2))
    Run.objects.filter(pk=oldest.pk).update(created_at=now - timedelta(minutes=20))
    runs.mark_retrying(oldest.pk, now + timedelta(minutes=5))

    (fact,) = (fact for fact in site.facts() if fact.what == "Oldest unfinished run")

    assert re.fullmatch(r"20 min \d s", fact.value)
    assert fact.tone == tone


def test_a_backlog_that_drains_is_seen_as_it_drains(alice: User) -> None:
    now = timezone.now() - timedelta(minutes=2)  # in a minute that is over
    for number in range(30):
        at = now - timedelta(hours=5)
        sign_in = SignIn.objects.create(user=alice, created_at=at, issued_token=str(number))
        Run.objects.filter(pk=runs.create_run(sign_in).pk).update(created_at=at, state="failed", finished_at=now)
    figures.roll_up()

    hour = {chart.title: chart for chart in site.charts(site.WINDOWS["hour"])}

    (ended,) = hour["Runs a minute"].series
    assert max(filter(None, ended.values)) == 30
    assert max(filter(None, hour["Failures and healing"].series[-1].values)) == 30
    assert max(filter(None, hour["How long runs took"].series[-1].values)) == pytest.approx(5 * 3600, rel=0.09)


@pytest.mark.parametrize("window", list(site.WINDOWS))
def test_a_rate_is_told_of_time_that_is_over_and_counted(db: None, window: str) -> None:
    """Of a piece that has only just begun, its few runs are not all that end in it."""
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    shown = site.WINDOWS[window]
    for span, at, runs_ended in [
        ("minute", noon - figures.MINUTE, 3),
        ("minute", noon, 60),
        ("minute", noon + figures.MINUTE, 1),
        ("hour", noon - figures.HOUR, round(3 * shown.piece / figures.MINUTE)),
        ("hour", noon, 61),
    ]:
        Period.objects.create(span=span, began_at=at, counts={"runs_ended": runs_ended}, durations={})

    with time_machine.travel(noon + 1.5 * figures.MINUTE, tick=False):
        charts = {chart.title: chart for chart in site.charts(shown)}

    rate = charts["Runs a minute"]
    ((*_, before, last),) = (one.values for one in rate.series)
    if shown.piece == figures.MINUTE:
        assert before is None, "it is over, and was perhaps not counted to its end"
    else:
        assert before == (3 if shown.span == "hour" else 3 / 15)
    assert last is None
    assert rate.summary.endswith(f"lately {'0.2' if window == 'day' else '3'}.")


@pytest.mark.parametrize("window", list(site.WINDOWS))
def test_each_row_of_a_table_has_a_name_of_its_own_and_labels_have_room(db: None, window: str) -> None:
    chart = site.charts(site.WINDOWS[window])[0]

    assert len(set(chart.moments)) == len(chart.moments)
    places = [float(x) for x in re.findall(r'class="moment" x="([\d.]+)"', chart.svg())]
    assert len(places) >= 4
    assert all(there - here >= 7 * len(chart.moments[0]) for here, there in pairwise(places))


def test_a_broker_that_is_away_is_said_so(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> dict[str, int]:
        raise backlog.BrokerAway("nobody")

    monkeypatch.setattr(backlog, "lengths", away)

    assert "the broker does not answer" in operator.get("/admin/").content.decode()


def test_an_open_breaker_is_shown(operator: Client) -> None:
    Breaker.objects.create(name="risk <service>", opened_at=timezone.now())

    page = operator.get("/admin/").content.decode()

    assert "Breaker risk &lt;service&gt;" in page
    assert "open since" in page


def test_its_cost_does_not_grow_with_the_sign_ins(
    operator: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    call_command("simulate", users=50, days=4, seed=1, verbosity=0)
    figures.roll_up()

    with django_assert_max_num_queries(12):
        operator.get("/admin/", {"window": "month"})


def test_pieces_begin_at_whole_multiples_and_hold_all_of_their_periods(admin: User) -> None:
    call_command("simulate", users=30, days=3, seed=2, verbosity=0)
    figures.roll_up()
    week = site.WINDOWS["week"]

    pieces = site._pieces(week)

    assert len(pieces) == 56
    assert all(at.timestamp() % week.piece.total_seconds() == 0 for at in pieces)
    counted = figures.read(week.span, min(pieces), timezone.now() + timedelta(hours=1))
    assert sum(one.counts["sign_ins"] for one in pieces.values()) == figures.total(counted.values()).counts["sign_ins"]


def test_bars_stand_on_each_other() -> None:
    svg = chart(Series("worked", [3.0, 0.0]), Series("failed", [1.0, 2.0]), stacked=True).svg()

    heights = [float(height) for height in re.findall(r'<rect[^>]*height="([\d.]+)"', svg)]
    assert heights == [112.5, 37.5, 75.0]


def test_a_curve_is_left_out_where_there_is_nothing_to_say() -> None:
    svg = chart(Series("half within", [1.0, 2.0, None, 3.0])).svg()

    assert svg.count("<polyline") == 1
    assert svg.count("<circle") == 1


def test_what_names_say_is_text() -> None:
    told = chart(Series("<script>", [1.0]))

    assert "<script>" not in told.svg()


@pytest.mark.parametrize(
    ("highest", "nice", "of_counts"),
    [(0, 4, 4), (1, 1, 4), (3, 4, 4), (7, 8, 8), (9, 10, 20), (45, 80, 80), (1000, 1000, 1000)],
)
def test_the_lines_are_at_round_numbers_and_of_counts_at_whole_ones(
    highest: float, nice: float, of_counts: float
) -> None:
    assert charts._nice(highest, whole=False) == nice
    assert charts._nice(highest, whole=True) == of_counts


def test_there_is_no_half_of_a_sign_in() -> None:
    assert re.findall(r'class="value"[^>]*>([^<]*)<', chart(Series("worked", [1.0, None, 0.0])).svg()) == [*"1234"]
    assert "0.2<" in chart(Series("a minute", [0.6])).svg()
