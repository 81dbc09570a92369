"""What the pages say of a run's steps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from workflows.models import Run, Step
from workflows.presentation import ERROR_LENGTH, RUNS, ShownStep, duration_in_words, says_of_result, show_step

NOW = timezone.now()


def shown(state: Step.State, *, run_is_finished: bool = False, **fields: Any) -> ShownStep:
    step = Step(name=Step.Name.NOTIFY_USER, state=state, **fields)
    return show_step(step, run_is_finished=run_is_finished, now=NOW)


@pytest.mark.parametrize(
    ("name", "result", "line"),
    [
        ("check_device", {"status": "known", "reason": "cookie"}, "known device: it brought this device's cookie"),
        (
            "check_device",
            {"status": "new", "reason": "first_device"},
            "new device: it is the first device of this account",
        ),
        ("notify_user", {"notice": "not_needed"}, "no mail needed"),
        ("notify_user", {"notice": "sent", "id": 1}, "mail sent"),
        ("save_event", {"event": 1}, "written to the security log"),
        ("post_to_risk_api", {"decision": "allow", "score": 0}, "allow, score 0"),
        ("post_process", {"action": "flagged"}, "flagged for the operators"),
        ("post_process", {}, ""),
    ],
)
def test_a_result_is_one_line(name: str, result: dict[str, Any], line: str) -> None:
    assert says_of_result(name, result) == line


def test_a_code_of_another_version_stands_for_itself() -> None:
    assert says_of_result("post_process", {"action": "account_locked"}) == "account_locked"
    assert says_of_result("notify_user", {"notice": "by_pigeon"}) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"), (0.0184, "18 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (1.24, "1.2 s"), (9.96, "10 s"),
        (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (-0.002, "0 ms"),
    ],
)  # fmt: skip
def test_durations_are_in_words(seconds: float, words: str) -> None:
    assert duration_in_words(seconds) == words


def test_a_step_under_way_says_how_long_so_far() -> None:
    assert shown(Step.State.RUNNING, started_at=NOW - timedelta(seconds=12)).duration == "12 s so far"


def test_attempts_are_told_from_the_second_on() -> None:
    assert shown(Step.State.RUNNING, attempts=1).attempts == ""
    assert shown(Step.State.RUNNING, attempts=2).attempts == "attempt 2"
    assert shown(Step.State.SUCCEEDED, attempts=2).attempts == "2 attempts"


def test_a_step_behind_a_failed_one_was_not_reached() -> None:
    assert shown(Step.State.WAITING).state_word == "waiting"
    assert shown(Step.State.WAITING, run_is_finished=True).state_word == "not reached"


def test_an_error_is_told_while_it_matters() -> None:
    assert shown(Step.State.RETRYING, error="refused").error == "refused"
    assert shown(Step.State.FAILED, error="refused").error == "refused"
    assert shown(Step.State.RUNNING, error="refused").error == ""
    assert shown(Step.State.SUCCEEDED, result={"notice": "handed_over", "error": "away"}).error == "away"


def test_a_long_error_is_cut() -> None:
    error = shown(Step.State.FAILED, error="x" * 5000).error
    assert len(error) == ERROR_LENGTH and error.endswith("…")


def test_every_state_of_a_run_has_its_sentence() -> None:
    assert set(RUNS) == set(Run.State)
