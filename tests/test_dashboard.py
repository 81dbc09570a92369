"""The admin's front page: how the site does, without a look at each sign-in."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from loginwatch.dashboard import charts, site
from loginwatch.dashboard.charts import Chart, Series
from workflows import backlog, figures
from workflows.models import Breaker


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
    return Chart("Sign-ins", moments, series, lambda value: f"{value:g}", stacked=stacked)


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


def test_who_may_not_see_the_figures_sees_the_admin_without(client: Client, make_user: object) -> None:
    clerk = User.objects.create(username="clerk", email="clerk@example.com", is_staff=True)
    client.force_login(clerk)

    page = client.get("/admin/")

    assert page.status_code == 200
    assert b"site-dashboard" not in page.content


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
    ("highest", "nice"), [(0, charts.LINES), (1, 1), (3, 4), (7, 8), (9, 10), (45, 80), (1000, 1000)]
)
def test_the_highest_line_is_a_round_number(highest: float, nice: float) -> None:
    assert charts._nice(highest) == nice
