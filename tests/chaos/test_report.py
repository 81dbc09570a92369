"""The table of a trial, and when a trial has passed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from loginwatch.chaos.audit import Audit, Flaw
from loginwatch.chaos.latency import overlaps, percentile, seconds_of_sign_ins, server_errors
from loginwatch.chaos.report import Figures, as_json, as_markdown, as_text, columns
from loginwatch.chaos.visitors import Attempt, Visit

GOOD = Figures(
    canvas="site's",
    database="postgresql",
    seed=7,
    rate=4.0,
    faults={"Redis wiped": 3, "worker killed": 4},
    asked=1000,
    answered=1000,
    audit=Audit(sign_ins=1012, lost=(), missing=(), doubled=(), mails_doubled=1),
    server_errors=0,
    worst=0.4321,
    p99=0.3,
    broker_worst=0.2,
    broker_p99=None,
    to_last_run=31.44,
    to_last_mail=None,
)
LOST = (Flaw(7, "run failed"),)
DOUBLED = tuple(Flaw(number, "mail received") for number in range(1, 13))


def test_a_trial_in_which_nothing_was_wrong_has_passed_also_with_a_mail_doubled() -> None:
    assert GOOD.passed


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, audit=replace(GOOD.audit, lost=LOST)),
        replace(GOOD, audit=replace(GOOD.audit, missing=LOST)),
        replace(GOOD, audit=replace(GOOD.audit, doubled=LOST)),
        replace(GOOD, server_errors=1),
        replace(GOOD, answered=999),
    ],
)
def test_a_trial_in_which_anything_was_wrong_has_not(bad: Figures) -> None:
    assert not bad.passed


def test_the_table_names_every_figure() -> None:
    assert columns(GOOD) == {
        "sign-ins answered": "1,000 of 1,000",
        "sign-ins recorded": "1,012",
        "runs lost": "0",
        "effects missing": "0",
        "effects doubled": "0",
        "mails doubled": "1",
        "5xx while the database was up": "0",
        "worst sign-in": "432 ms",
        "p99": "300 ms",
        "worst in a broker fault": "200 ms",
        "p99 in a broker fault": "–",  # noqa: RUF001  it stands in a table
        "last fault to last run": "31.4 s",
        "last fault to last mail": "–",  # noqa: RUF001  it stands in a table
    }


def test_the_text_says_what_was_tried_and_what_came_of_it() -> None:
    lines = as_text(GOOD).splitlines()

    assert lines[0].startswith("1,000 sign-ins, 4 a second, on postgresql, seed 7")
    assert lines[1] == "7 faults: 3 Redis wiped, 4 worker killed."
    assert [line.split("  ")[1] for line in lines[3:]] == list(columns(GOOD))


def test_the_text_names_what_was_wrong_and_the_first_sign_ins_of_it() -> None:
    text = as_text(replace(GOOD, audit=replace(GOOD.audit, lost=LOST, doubled=DOUBLED)))

    assert "Lost: 1 run failed. Sign-ins 7." in text
    assert "Doubled: 12 mail received. Sign-ins 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 …" in text
    assert "Missing" not in text


def test_markdown_is_one_row_under_its_head() -> None:
    head, rule, row = as_markdown(GOOD).splitlines()[-3:]

    assert head.count("|") == rule.count("|") == row.count("|") == len(columns(GOOD)) + 2
    assert row.startswith("| site's | 1,000 of 1,000 | 1,012 | 0 |")


def test_json_has_the_figures_as_numbers() -> None:
    figures = json.loads(as_json(replace(GOOD, audit=replace(GOOD.audit, lost=LOST))))

    assert figures["passed"] is False
    assert figures["worst"] == 0.4321
    assert figures["to_last_mail"] is None
    assert figures["audit"]["lost"] == [{"sign_in": 7, "what": "run failed"}]


def attempt(began: float, seconds: float, status: int = 302) -> Attempt:
    return Attempt("sign_in", began, seconds, status)


def test_latency_is_of_answered_sign_ins_and_of_those_in_a_span() -> None:
    form = Attempt("form", 100.0, 9.0, 200)
    visit = Visit("alice", "", [form, attempt(110.0, 5.0, 0), attempt(120.0, 0.2), attempt(130.0, 0.4)])

    assert seconds_of_sign_ins([visit]) == [0.2, 0.4]
    assert seconds_of_sign_ins([visit], within=[(130.1, 140.0)]) == [0.4]
    assert seconds_of_sign_ins([visit], within=[(120.0, 140.0)], without=[(119.0, 125.0)]) == [0.4]
    assert seconds_of_sign_ins([visit], within=[]) == []


@pytest.mark.parametrize(
    ("span", "expected"),
    [((0, 9.9), False), ((0, 10), True), ((10.5, 10.6), True), ((0, 99), True), ((11, 12), True), ((11.1, 12), False)],
)
def test_a_request_overlaps_a_span_that_it_shares_a_moment_with(span: tuple[float, float], expected: bool) -> None:
    assert overlaps(attempt(10.0, 1.0), [span]) is expected


def test_an_answer_of_5xx_counts_unless_the_database_was_away() -> None:
    visit = Visit("alice", "", [attempt(10.0, 1.0, 500), attempt(20.0, 1.0, 503), attempt(30.0, 1.0, 404)])

    assert server_errors([visit], []) == 2
    assert server_errors([visit], [(10.9, 12.0)]) == 1


def test_the_percentile_is_the_nearest_rank() -> None:
    values = [float(value) for value in range(1, 201)]

    assert percentile(values, 99) == 198.0
    assert percentile([5.0], 99) == 5.0
    assert percentile([], 99) is None
