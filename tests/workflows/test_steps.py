"""The steps as plain functions: no Celery, a real database, a real HTTP service, a real mailbox."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from billiard.exceptions import SoftTimeLimitExceeded
from django.core import mail
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from pytest_django import Settings

from accounts import notices
from accounts.models import Notice, SecurityEvent, User, Verdict
from tests.workflows.conftest import SAFARI
from tests.workflows.risk_service import ALLOW, DENY, Answer, RiskService
from workflows import ledger, notifying, periodic, runs, steps
from workflows.ledger import StepClosed, StepTaken, TryAgain
from workflows.models import Alert, Run, Step
from workflows.risk import risk_api
from workflows.steps import Name

ALL = [steps.check_device, steps.notify_user, steps.save_event, steps.post_to_risk_api, steps.post_process]

pytestmark = pytest.mark.usefixtures("risk")


def do_all(run: Run) -> list[dict[str, Any]]:
    return [step(run.pk) for step in ALL]


def ask(run: Run) -> dict[str, Any]:
    """The fourth step, with those done that come before it."""
    steps.check_device(run.pk)
    steps.save_event(run.pk)
    return steps.post_to_risk_api(run.pk)


def step_of(run: Run, name: Name) -> Step:
    return run.steps.get(name=name)


@pytest.fixture
def second_device_run(run: Run, make_run: Callable[..., Run]) -> Run:
    """A run for a sign-in from a device that is not the account's first."""
    do_all(run)
    return make_run(user_agent=SAFARI)


def test_the_steps_in_turn_finish_the_run(run: Run) -> None:
    results = do_all(run)

    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED
    assert run.started_at is not None
    assert run.finished_at is not None
    assert results == [step.result for step in run.steps.all()]
    assert {step.state for step in run.steps.all()} == {Step.State.SUCCEEDED}
    assert {step.attempts for step in run.steps.all()} == {1}


def test_a_steps_result_is_small_facts(run: Run) -> None:
    check, notice, event, assessment, verdict = do_all(run)

    assert check["status"] == "new"
    assert check["reason"] == "first_device"
    assert notice == {"notice": "not_needed"}
    assert event == {"event": SecurityEvent.objects.get().pk, "recent_failures": 0}
    assert assessment == ALLOW
    assert verdict == {"verdict": Verdict.objects.get().pk, "decision": "allow", "action": "nothing"}


def test_a_new_device_is_told_to_its_owner_by_one_mail(second_device_run: Run) -> None:
    steps.check_device(second_device_run.pk)
    result = steps.notify_user(second_device_run.pk)

    (message,) = mail.outbox
    assert message.to == ["alice@example.com"]
    assert result["notice"] == "sent"
    assert Notice.objects.get().state == Notice.State.SENT
    assert message.extra_headers["Message-ID"] == f"<{second_device_run.pk}.notify_user@testserver>"


@pytest.mark.parametrize("step", ALL)
def test_a_step_that_is_done_returns_its_result_and_does_not_act_again(
    second_device_run: Run, risk: RiskService, step: Callable[[UUID], dict[str, Any]]
) -> None:
    results: dict[Callable[[UUID], dict[str, Any]], dict[str, Any]] = {}
    results |= zip(ALL, do_all(second_device_run), strict=True)
    asked, mailed, events = len(risk.requests), len(mail.outbox), SecurityEvent.objects.count()

    assert step(second_device_run.pk) == results[step]

    assert len(risk.requests) == asked
    assert len(mail.outbox) == mailed
    assert SecurityEvent.objects.count() == events
    assert {row.attempts for row in second_device_run.steps.all()} == {1}


def test_a_mail_server_that_is_away_is_tried_three_times_and_then_the_mail_is_handed_over(
    second_device_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", _raise(ConnectionRefusedError("away")))
    steps.check_device(second_device_run.pk)

    delays = []
    for _ in range(2):
        with pytest.raises(TryAgain) as again:
            steps.notify_user(second_device_run.pk)
        delays.append(again.value.delay)
        second_device_run.refresh_from_db()
        assert second_device_run.state == Run.State.RETRYING
        assert step_of(second_device_run, Name.NOTIFY_USER).error == "away"
        end_the_lease(second_device_run, Name.NOTIFY_USER)
    result = steps.notify_user(second_device_run.pk)

    assert sum(delays) <= 30
    assert result["notice"] == "handed_over"
    assert Notice.objects.get().state == Notice.State.HANDED_OVER


def cut_off(run: Run, times: int) -> None:
    """Each attempt at the mail was killed, and its lease is over."""

    def die(step: Step) -> dict[str, Any]:
        raise KeyboardInterrupt

    for _ in range(times):
        with pytest.raises(KeyboardInterrupt):
            ledger.outside(run.pk, Name.NOTIFY_USER, die, lease=timedelta(0))


def test_a_mail_of_which_every_attempt_was_cut_off_is_handed_over_untried(second_device_run: Run) -> None:
    steps.check_device(second_device_run.pk)
    cut_off(second_device_run, times=len(notifying.NOTICE_DELAYS) + 1)

    assert steps.notify_user(second_device_run.pk)["notice"] == "handed_over"
    assert mail.outbox == []


def test_a_mail_that_was_cut_off_until_its_step_failed_is_tried_once_a_person_has_it_go_on(
    second_device_run: Run,
) -> None:
    steps.check_device(second_device_run.pk)
    cut_off(second_device_run, times=ledger.MOST_CUT_OFF)
    ledger.may_go_on([second_device_run.pk])
    assert runs.reopen_failed_runs() == 1

    assert steps.notify_user(second_device_run.pk)["notice"] == "sent"
    assert len(mail.outbox) == 1
    numbers = step_of(second_device_run, Name.NOTIFY_USER).failed_attempts.values_list("number", flat=True)
    assert list(numbers) == list(range(1, ledger.MOST_CUT_OFF + 1)), "they stay on record"


def test_a_run_whose_mail_was_handed_over_is_degraded_until_it_went_out(
    second_device_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workflows.periodic import deliver_notices

    with monkeypatch.context() as away:
        away.setattr("django.core.mail.EmailMultiAlternatives.send", _raise(TimeoutError("away")))
        away.setattr(notifying, "NOTICE_DELAYS", ())
        do_all(second_device_run)
    second_device_run.refresh_from_db()
    assert second_device_run.state == Run.State.DEGRADED

    Notice.objects.update(next_attempt_at=timezone.now())
    assert deliver_notices() == 1

    second_device_run.refresh_from_db()
    assert second_device_run.state == Run.State.SUCCEEDED
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("bug_in", ["notice_context", "give"])
def test_a_mail_that_cannot_be_made_does_not_hold_up_the_verdict_and_goes_out_once_that_is_mended(
    second_device_run: Run, monkeypatch: pytest.MonkeyPatch, bug_in: str
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(notices, bug_in, _raise(KeyError("place")))
        results = do_all(second_device_run)
    second_device_run.refresh_from_db()
    assert (results[1]["notice"], results[1]["error"]) == ("not_made", "KeyError: 'place'")
    assert (second_device_run.state, len(mail.outbox)) == (Run.State.DEGRADED, 0)
    alert = Alert.objects.get()
    assert (alert.kind, alert.run, alert.text) == (
        Alert.Kind.NOTICE_NOT_MADE,
        second_device_run,
        "notify_user: KeyError: 'place'",
    )

    Notice.objects.update(next_attempt_at=timezone.now())
    periodic.deliver_notices()

    second_device_run.refresh_from_db()
    assert (second_device_run.state, len(mail.outbox)) == (Run.State.SUCCEEDED, 1)


@pytest.mark.parametrize("hindrance", [SoftTimeLimitExceeded(), OperationalError("away"), InterfaceError("closed")])
def test_what_hinders_the_making_of_a_mail_says_nothing_of_the_mail(
    second_device_run: Run, monkeypatch: pytest.MonkeyPatch, hindrance: Exception
) -> None:
    monkeypatch.setattr(notices, "notice_context", _raise(hindrance))
    steps.check_device(second_device_run.pk)

    with pytest.raises(TryAgain):
        steps.notify_user(second_device_run.pk)


def test_a_mail_that_is_refused_for_good_does_not_hold_up_the_verdict(
    second_device_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = smtplib.SMTPRecipientsRefused({"alice@example.com": (550, b"no such user")})
    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", _raise(refused))

    do_all(second_device_run)

    second_device_run.refresh_from_db()
    assert second_device_run.state == Run.State.DEGRADED
    assert Notice.objects.get().state == Notice.State.GIVEN_UP


def test_the_risk_service_gets_facts_a_key_and_a_signature_that_it_can_check(
    run: Run, risk: RiskService, settings: Settings
) -> None:
    from standardwebhooks import Webhook

    do_all(run)

    ((headers, body),) = risk.requests
    assert headers["Idempotency-Key"] == f"{run.pk}.post_to_risk_api"
    assert body["subject"] == str(run.sign_in.user.uuid)
    assert body["client"] == {"ip": "192.0.2.7", "country": None, "browser": "Firefox", "os": "Linux"}
    assert body["device"]["reason"] == "first_device"
    signed = {name.lower(): value for name, value in headers.items()}
    import json

    assert Webhook(settings.RISK_API_SECRET).verify(json.dumps(body), signed) is not None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(status=500, body=b""), id="500"),
        pytest.param(Answer(status=429, body=b""), id="too many requests"),
        pytest.param(
            Answer(status=503, headers={"Retry-After": "1 Jan 99999999999 00:00:00 GMT"}), id="until no moment there is"
        ),
        pytest.param(Answer(status=401, body=b"the clock is wrong"), id="not authentic"),
        pytest.param(Answer(status=404, body=b"<html>"), id="not there"),
        pytest.param(Answer(status=302, body=b"", headers={"Location": "/"}), id="moved"),
        pytest.param(Answer(status=302, body=b"", headers={"Location": "http://xn--a..b/"}), id="moved to no host"),
        pytest.param(
            Answer(body=b'{"version":1,"id":"\\u0000","score":0,"level":"low","decision":"allow","reasons":[]}'),
            id="NUL",
        ),
        pytest.param(Answer(body=b"<html>"), id="not JSON"),
        pytest.param(Answer(body=b"\xff\xfe"), id="not text"),
        pytest.param(Answer(body=b"null"), id="null"),
        pytest.param(Answer(body=b'{"version": 2}'), id="another version"),
        pytest.param(Answer(body=b'{"version":1,"id":"x","score":"0","level":"low"}'), id="wrong types"),
        pytest.param(
            Answer(body=b'{"version":1,"id":"x","score":101,"level":"low","decision":"allow","reasons":[]}'),
            id="out of range",
        ),
        pytest.param(Answer(body=b" " * (risk_api.LONGEST_ANSWER + 1)), id="huge"),
    ],
)
def test_a_risk_service_that_errs_is_asked_again_later(run: Run, risk: RiskService, answer: Answer) -> None:
    risk.answer = answer
    with pytest.raises(TryAgain) as again:
        ask(run)

    assert 0 < again.value.delay <= steps.LONGEST_RISK_DELAY
    run.refresh_from_db()
    assert run.state == Run.State.RETRYING
    assert "risk service" in step_of(run, Name.POST_TO_RISK_API).error


def test_a_risk_service_that_is_down_is_asked_again_later(run: Run, settings: Settings) -> None:
    settings.RISK_API_URL = "http://127.0.0.1:1"

    with pytest.raises(TryAgain):
        ask(run)


def test_a_risk_service_that_is_too_slow_is_asked_again_later(run: Run, settings: Settings) -> None:
    import socket

    settings.RISK_API_TIMEOUT = 0.1
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.RISK_API_URL = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TryAgain):
            ask(run)


def test_a_risk_service_says_how_long_to_stay_away(run: Run, risk: RiskService) -> None:
    risk.answer = Answer(status=503, body=b"", headers={"Retry-After": "120"})

    with pytest.raises(TryAgain) as again:
        ask(run)

    assert 120 <= again.value.delay <= 121


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Sun, 01 Mar 2026 22:07:00 GMT", 120),
        ("Sunday, 01-Mar-26 22:07:00 GMT", 120),
        ("Sun Mar  1 22:07:00 2026", 120),
        ("Sun, 01 Mar 2026 23:07:00 +0100", 120),
        ("Sun, 01 Mar 2026 21:00:00 GMT", 0),
        (" 7 ", 7),
        ("86400", 86_400),
        ("9" * 400, 999_999_999),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        # No moment that a clock or a calendar has.
        ("1 Jan 99999999999 00:00:00 GMT", None),
        ("Sun, 01 Mar 2026 22:07:00 +9999999999999999", None),
        ("Sun, 32 Mar 2026 22:07:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    import httpx

    with time_machine.travel(datetime(2026, 3, 1, 22, 5, tzinfo=UTC), tick=False):
        assert risk_api._retry_after(httpx.Headers({"Retry-After": value})) == seconds


def test_the_pauses_between_posts_of_a_sign_in_double_up_to_a_limit_with_a_half_by_chance() -> None:
    for attempt, most in enumerate([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300], start=1):
        delays = {steps._risk_delay(attempt, None) for _ in range(20)}
        assert most / 2 <= min(delays) < max(delays) <= most
    asked = {steps._risk_delay(3, 10_000) for _ in range(20)}
    assert steps.LONGEST_RISK_DELAY <= min(asked) < max(asked) <= steps.LONGEST_RISK_DELAY + 4


def come_back_after_the_budget(run: Run) -> None:
    """It was asked once; then nobody was there to ask again until the time for it was over."""
    with pytest.raises(TryAgain):
        ask(run)
    long_ago = timezone.now() - timedelta(hours=6, seconds=1)
    run.steps.filter(name=Name.POST_TO_RISK_API).update(started_at=long_ago, leased_until=None)


def test_a_risk_service_that_a_person_has_asked_again_is_asked_with_short_pauses_at_first(
    run: Run, risk: RiskService
) -> None:
    risk.answer = Answer(status=404, body=b"")
    for _ in range(9):
        with pytest.raises(TryAgain) as again:
            ask(run)
        end_the_lease(run, Name.POST_TO_RISK_API)
    assert again.value.delay >= 128
    ledger.fail_step(run.pk, Name.POST_TO_RISK_API, "over")
    runs.reopen_failed_runs()

    with pytest.raises(TryAgain) as again:
        ask(run)
    assert again.value.delay <= steps.FIRST_RISK_DELAY
    assert step_of(run, Name.POST_TO_RISK_API).attempts == 11


def test_after_its_budget_the_risk_service_is_asked_once_more(run: Run, risk: RiskService) -> None:
    risk.answer = Answer(status=503, body=b"")
    come_back_after_the_budget(run)
    risk.will_say(ALLOW)

    assert ask(run) == ALLOW


def test_after_its_budget_it_is_asked_once_more_and_not_again(run: Run, risk: RiskService) -> None:
    risk.answer = Answer(status=503, body=b"")
    come_back_after_the_budget(run)
    risk.answer = Answer(status=500, body=b"at last")

    with pytest.raises(risk_api.RiskApiAway, match=r"no assessment within 6:00:00: .*500: at last"):
        ask(run)
    assert len(risk.requests) == 2


def test_after_its_budget_the_time_limit_is_the_end_too(
    run: Run, risk: RiskService, monkeypatch: pytest.MonkeyPatch
) -> None:
    risk.answer = Answer(status=503, body=b"")
    come_back_after_the_budget(run)
    monkeypatch.setattr(risk_api, "assess", _raise(SoftTimeLimitExceeded()))

    with pytest.raises(risk_api.RiskApiAway, match="no assessment within 6:00:00: no answer within the time limit"):
        ask(run)


def test_a_refusal_by_the_risk_service_is_final(run: Run, risk: RiskService) -> None:
    risk.answer = Answer(status=422, body=b"no such\0 version")

    with pytest.raises(risk_api.RiskApiRefused, match="422: no such  version"):
        ask(run)


def test_a_verdict_against_a_sign_in_is_reported_and_under_enforcement_ends_its_session(
    make_run: Callable[..., Run], risk: RiskService, settings: Settings, alice: User
) -> None:
    from django.test import Client

    risk.will_say(DENY)
    for enforce, left in (("report", 1), ("enforce", 0)):
        settings.LOGINWATCH_ENFORCE = enforce
        client = Client(REMOTE_ADDR="192.0.2.7")
        client.force_login(alice)
        denied = Run.objects.latest("created_at")
        do_all(denied)
        assert client.get("/security/").status_code == (200 if left else 302)


def end_the_lease(run: Run, name: Name) -> None:
    """As if the time had passed."""
    run.steps.filter(name=name).update(leased_until=timezone.now())


def test_until_it_is_tried_again_no_other_copy_of_its_message_asks_the_risk_service(
    run: Run, risk: RiskService
) -> None:
    risk.answer = Answer(status=503, body=b"", headers={"Retry-After": "120"})
    with pytest.raises(TryAgain):
        ask(run)

    with pytest.raises(StepTaken):
        ask(run)
    assert len(risk.requests) == 1

    end_the_lease(run, Name.POST_TO_RISK_API)
    risk.will_say(ALLOW)
    assert ask(run) == ALLOW


def test_the_risk_service_is_told_the_same_at_each_attempt(run: Run, risk: RiskService) -> None:
    risk.answer = Answer(status=503, body=b"")
    with pytest.raises(TryAgain):
        ask(run)
    SecurityEvent.objects.create(
        kind=SecurityEvent.Kind.SIGN_IN_FAILED, user=run.sign_in.user, created_at=run.sign_in.created_at
    )
    end_the_lease(run, Name.POST_TO_RISK_API)
    risk.will_say(ALLOW)
    ask(run)

    first, second = (body for _, body in risk.requests)
    assert first == second


def test_a_lease_is_longer_than_the_hard_time_limit_of_its_task() -> None:
    from workflows import tasks

    assert timedelta(seconds=tasks.notify_user.time_limit or 0) < ledger.LEASE
    assert timedelta(seconds=tasks.post_to_risk_api.time_limit or 0) < ledger.LEASE


def test_who_was_overtaken_while_it_waited_for_an_answer_notes_no_retry(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*args: object, **kwargs: object) -> dict[str, Any]:
        run.steps.filter(name=Name.POST_TO_RISK_API).update(attempts=2)
        raise risk_api.RiskApiAway("no answer")

    monkeypatch.setattr(risk_api, "assess", overtaken)

    with pytest.raises(TryAgain):
        ask(run)
    run.refresh_from_db()
    assert run.state == Run.State.RUNNING
    assert step_of(run, Name.POST_TO_RISK_API).state == Step.State.RUNNING


@pytest.mark.parametrize("text", ["no\x00thing", "half a character: \ud800"])
def test_a_step_fails_also_with_an_error_that_no_database_takes(run: Run, text: str) -> None:
    ledger.fail_step(run.pk, Name.SAVE_EVENT, text)

    run.refresh_from_db()
    assert run.state == Run.State.FAILED


def test_a_failure_that_is_told_late_changes_nothing_that_is_done(run: Run) -> None:
    do_all(run)

    ledger.fail_step(run.pk, Name.SAVE_EVENT, "killed after it was done")

    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED
    assert step_of(run, Name.SAVE_EVENT).state == Step.State.SUCCEEDED


def test_an_ended_run_is_not_ended_otherwise(run: Run) -> None:
    Run.objects.update(state=Run.State.CANCELLED)

    runs.fail_run(run.pk)
    runs.finish_run(run.pk)

    run.refresh_from_db()
    assert run.state == Run.State.CANCELLED


def test_a_step_that_another_worker_holds_is_left_to_it(run: Run) -> None:
    until = timezone.now() + timedelta(seconds=20)
    run.steps.filter(name=Name.POST_TO_RISK_API).update(state=Step.State.RUNNING, attempts=1, leased_until=until)

    with pytest.raises(StepTaken) as taken:
        ask(run)

    assert taken.value.until == until


def test_a_step_whose_worker_died_is_done_once_its_lease_has_run_out(run: Run, risk: RiskService) -> None:
    run.steps.filter(name=Name.POST_TO_RISK_API).update(
        state=Step.State.RUNNING, attempts=1, leased_until=timezone.now() - timedelta(seconds=1)
    )
    assert ask(run) == ALLOW
    assert step_of(run, Name.POST_TO_RISK_API).attempts == 2


def test_who_lost_its_lease_while_acting_does_not_overwrite_the_other(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*args: object, **kwargs: object) -> dict[str, Any]:
        run.steps.filter(name=Name.POST_TO_RISK_API).update(
            state=Step.State.SUCCEEDED, attempts=2, result={"by": "the other"}
        )
        return dict(ALLOW)

    monkeypatch.setattr(risk_api, "assess", overtaken)

    with pytest.raises(StepTaken):
        ask(run)
    assert step_of(run, Name.POST_TO_RISK_API).result == {"by": "the other"}


@pytest.mark.parametrize("state", [Run.State.FAILED, Run.State.CANCELLED])
def test_a_run_that_has_ended_is_not_gone_on_with(run: Run, state: Run.State) -> None:
    Run.objects.update(state=state)

    with pytest.raises(StepClosed):
        steps.check_device(run.pk)
    assert step_of(run, Name.CHECK_DEVICE).state == Step.State.WAITING


def test_a_member_of_the_group_is_done_though_another_has_failed_and_no_step_behind_it(run: Run) -> None:
    """So that who is in the security log is no matter of which was first."""
    steps.check_device(run.pk)
    ledger.fail_step(run.pk, Name.NOTIFY_USER, "a bug")

    steps.save_event(run.pk)

    assert SecurityEvent.objects.filter(sign_in=run.sign_in, kind=SecurityEvent.Kind.SIGNED_IN).count() == 1
    with pytest.raises(StepClosed):
        steps.post_to_risk_api(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.FAILED


@pytest.mark.parametrize("hindrance", [SoftTimeLimitExceeded(), OperationalError("deadlock detected")])
def test_a_step_that_the_database_hinders_waits_and_is_not_taken_for_killed(run: Run, hindrance: Exception) -> None:
    def act(step: Step) -> dict[str, str]:
        raise hindrance

    with pytest.raises(TryAgain):
        ledger.in_database(run.pk, Name.SAVE_EVENT, act)

    step = step_of(run, Name.SAVE_EVENT)
    assert step.state == Step.State.RETRYING
    assert step.error
    assert step.leased_until


def test_a_step_that_is_hindered_each_time_fails_in_the_end(run: Run) -> None:
    def act(step: Step) -> dict[str, str]:
        raise SoftTimeLimitExceeded

    for _ in range(ledger.MOST_ATTEMPTS - 1):
        with pytest.raises(TryAgain):
            ledger.in_database(run.pk, Name.SAVE_EVENT, act)
        end_the_lease(run, Name.SAVE_EVENT)

    with pytest.raises(ledger.GaveUp, match="30 times"):
        ledger.in_database(run.pk, Name.SAVE_EVENT, act)


def test_what_the_outside_took_is_noted_though_the_time_limit_comes_just_then(run: Run) -> None:
    limit = iter([SoftTimeLimitExceeded()])

    def note(step: Step, result: dict[str, str]) -> None:
        for each in limit:
            raise each

    ledger.outside(run.pk, Name.NOTIFY_USER, lambda step: {"notice": "sent"}, lease=ledger.LEASE, note=note)

    assert step_of(run, Name.NOTIFY_USER).state == Step.State.SUCCEEDED


def test_an_effect_and_its_done_are_one_transaction(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    steps.check_device(run.pk)
    monkeypatch.setattr("workflows.step_rows.complete", _raise(RuntimeError("killed here")))

    with pytest.raises(RuntimeError):
        steps.save_event(run.pk)

    assert not SecurityEvent.objects.exists()
    assert step_of(run, Name.SAVE_EVENT).state == Step.State.WAITING


def _raise(error: BaseException) -> Callable[..., Any]:
    def raiser(*args: object, **kwargs: object) -> Any:
        raise error

    return raiser
