"""What the pages say of a run's steps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Notice, SignIn, Verdict
from workflows.models import Attempt, Run, Step
from workflows.presentation.result_words import VERDICTS, says_of_result
from workflows.presentation.words import (
    ALL_BUT_SKIPPED,
    ERROR_LENGTH,
    FAILED,
    RUNS,
    ShownStep,
    attempt_error_for,
    duration_in_words,
    error_for,
    show_run,
    show_step,
)
from workflows.steps import Name

NOW = timezone.now()


def run_in(state: Run.State, notice: Notice.State | None = None) -> Run:
    sign_in = SignIn()
    if notice:
        sign_in.notice = Notice(state=notice)
    return Run(state=state, sign_in=sign_in)


def shown(
    state: Step.State, *, run: Run | None = None, staff: bool = True, name: str = "notify_user", **fields: Any
) -> ShownStep:
    step = Step(name=name, state=state, **fields)
    run = run or run_in(Run.State.RUNNING)
    return show_step(step, run=run, notice=getattr(run.sign_in, "notice", None), staff=staff)


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
        ("post_to_risk_api", {"decision": "allow", "score": 0}, "looks fine, score 0"),
        ("post_to_risk_api", {"decision": "deny", "score": 90}, "looks wrong, score 90"),
        ("post_process", {"action": "flagged"}, "flagged for the operators"),
        ("post_process", {"action": "nothing"}, "nothing needed to be done"),
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


def test_a_step_under_way_says_since_when_and_one_that_is_done_how_long_it_took() -> None:
    began = NOW - timedelta(seconds=12)
    running = shown(Step.State.RUNNING, started_at=began)
    assert (running.since, running.duration) == (began, "")
    done = shown(Step.State.SUCCEEDED, started_at=began, finished_at=NOW)
    assert (done.since, done.duration) == (None, "12 s")


def test_a_step_that_is_tried_again_says_when() -> None:
    later = NOW + timedelta(seconds=40)
    assert shown(Step.State.RETRYING, leased_until=later).again_at == later
    assert shown(Step.State.RUNNING, leased_until=later).again_at is None


def test_attempts_are_told_from_the_second_on() -> None:
    assert shown(Step.State.RUNNING, attempts=1).attempts == ""
    assert shown(Step.State.RUNNING, attempts=2).attempts == "attempt 2"
    assert shown(Step.State.SUCCEEDED, attempts=2).attempts == "2 attempts"


def test_a_step_behind_a_failed_one_was_not_reached() -> None:
    assert shown(Step.State.WAITING).state_word == "waiting"
    assert shown(Step.State.WAITING, run=run_in(Run.State.FAILED)).state_word == "not reached"


def test_a_step_that_a_cancelled_run_had_begun_was_stopped() -> None:
    cancelled = run_in(Run.State.CANCELLED)
    assert shown(Step.State.WAITING, run=cancelled).state_word == "not reached"
    stopped = shown(Step.State.WAITING, run=cancelled, attempts=2, error="refused")
    assert (stopped.state_word, stopped.error) == ("stopped", "")


def test_a_skipped_step_says_so() -> None:
    skipped = shown(Step.State.SKIPPED, attempts=1, error="refused", result={"skipped": True})
    assert (skipped.state, skipped.state_word) == ("skipped", "skipped")
    assert (skipped.says, skipped.error) == ("an operator had the run go on without it", "")


def test_a_run_that_went_on_without_a_step_does_not_say_that_every_step_is_done(run: Run) -> None:
    run.state = Run.State.SUCCEEDED
    assert show_run(run, staff=False).says == RUNS[Run.State.SUCCEEDED]

    run.steps.filter(name=Name.POST_TO_RISK_API).update(state=Step.State.SKIPPED, result={"skipped": True})
    assert show_run(run, staff=False).says == ALL_BUT_SKIPPED


def test_staff_are_told_an_error_as_it_is_while_it_matters() -> None:
    assert shown(Step.State.RETRYING, error="refused").error == "refused"
    assert shown(Step.State.FAILED, error="refused").error == "refused"
    assert shown(Step.State.RUNNING, error="refused").error == ""
    assert shown(Step.State.SUCCEEDED, result={"notice": "handed_over", "error": "away"}).error == "away"


@pytest.mark.parametrize("name", Name)
def test_others_are_told_a_sentence(name: Name) -> None:
    raw = "[Errno 111] Connection refused"
    retrying = shown(Step.State.RETRYING, name=name, staff=False, error=raw).error
    assert raw not in retrying and retrying.endswith("it will be tried again.")
    assert shown(Step.State.FAILED, name=name, staff=False, error=raw).error == FAILED
    assert shown(Step.State.RUNNING, name=name, staff=False, error=raw).error == ""
    assert shown(Step.State.SUCCEEDED, name=name, staff=False, result={"error": raw}).error == ""


def test_a_mail_that_is_not_sent_is_no_success() -> None:
    degraded = run_in(Run.State.DEGRADED, Notice.State.HANDED_OVER)
    handed_over = shown(Step.State.SUCCEEDED, run=degraded, result={"notice": "handed_over"})
    assert (handed_over.state, handed_over.state_word) == ("degraded", "mail follows")
    refused = shown(Step.State.SUCCEEDED, result={"notice": "refused"})
    assert (refused.state, refused.state_word) == ("degraded", "mail refused")


@pytest.mark.parametrize("result", ["handed_over", "not_made"])
@pytest.mark.parametrize(
    ("notice", "state", "word", "says"),
    [
        (Notice.State.SENT, "succeeded", "succeeded", "mail sent later"),
        (Notice.State.GIVEN_UP, "degraded", "mail not sent", "the mail could not be sent"),
    ],
)
def test_what_has_become_of_a_mail_that_was_handed_over_counts(
    notice: Notice.State, state: str, word: str, says: str, result: str
) -> None:
    run = run_in(Run.State.SUCCEEDED, notice)
    step = shown(Step.State.SUCCEEDED, run=run, result={"notice": result})
    assert (step.state, step.state_word, step.says) == (state, word, says)


def test_a_long_error_is_cut() -> None:
    error = shown(Step.State.FAILED, error="x" * 5000).error
    assert len(error) == ERROR_LENGTH and error.endswith("…")
    assert len(error_for(Step(state=Step.State.FAILED, error="x" * 5000), None, staff=True)) == 5000


def test_every_state_of_a_run_has_its_sentence() -> None:
    assert set(RUNS) == set(Run.State)


def test_every_decision_has_its_words() -> None:
    assert set(VERDICTS) == set(Verdict.Decision)


def test_a_run_whose_mail_follows_says_so(db: None) -> None:
    handed_over = run_in(Run.State.DEGRADED, Notice.State.HANDED_OVER)
    assert "will follow" in show_run(handed_over, staff=False).says
    given_up = run_in(Run.State.DEGRADED, Notice.State.GIVEN_UP)
    assert show_run(given_up, staff=False).says == RUNS[Run.State.DEGRADED]


def test_steps_stand_in_the_stages_of_the_canvas(run: Run) -> None:
    # Those of a run that ended before the table had stages.
    run.steps.update(stage=0)
    names = [[step.name for step in stage] for stage in show_run(run, staff=False).stages]
    assert names == [["check_device"], ["notify_user", "save_event"], ["post_to_risk_api"], ["post_process"]]


def test_steps_of_a_kind_that_is_no_more_stand_where_their_rows_say(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(kind="of another version")
    (*_, last) = show_run(Run.objects.get(pk=run.pk), staff=False).stages
    assert [(step.name, step.title) for step in last] == [("post_process", "post_process")]


@pytest.mark.parametrize("outcome", Attempt.Outcome)
def test_others_are_told_a_sentence_of_an_attempt(outcome: Attempt.Outcome) -> None:
    attempt = Attempt(outcome=outcome, error="[Errno 111] Connection refused")
    assert attempt_error_for(attempt, "notify_user", staff=True) == "[Errno 111] Connection refused"
    assert "Errno" not in attempt_error_for(attempt, "notify_user", staff=False)
