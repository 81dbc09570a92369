"""Re-scoring: the risk service is asked again, its answer becomes the verdict, and nothing else happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import verdicts
from accounts.models import Device, Notice, SecurityEvent, SignIn, User, Verdict
from tests.markup import Page
from tests.workflows.conftest import make_run as make_run  # fixtures
from tests.workflows.conftest import risk as risk
from tests.workflows.risk_service import ALLOW, DENY, Answer, RiskService
from workflows import breakers, steps
from workflows.bulk import jobs, turns, working
from workflows.bulk.models import BulkFailure, BulkJob, BulkLane
from workflows.models import Breaker, Run
from workflows.risk import risk_api

Queue = Callable[..., BulkJob]
Do = Callable[[BulkJob], BulkJob]
State = BulkJob.State
LATER = DENY | {"id": "b-1"}


@pytest.fixture
def assess(make_run: Callable[..., Run], risk: RiskService) -> Callable[..., SignIn]:
    """Makes a sign-in whose workflow has ended with this verdict."""

    def make(assessment: dict[str, Any] = ALLOW, **fields: Any) -> SignIn:
        run = make_run(**fields)
        risk.will_say(assessment)
        for step in (steps.check_device, steps.notify_user, steps.save_event, steps.post_to_risk_api):
            step(run.pk)
        steps.post_process(run.pk)
        risk.requests.clear()
        mail.outbox.clear()
        return run.sign_in

    return make


def verdict_of(sign_in: SignIn) -> Verdict:
    return Verdict.objects.get(sign_in=sign_in)


def keys(risk: RiskService) -> list[str]:
    return [headers["Idempotency-Key"] for headers, _ in risk.requests]


def turn(job: BulkJob) -> None:
    """The next message of the first lane, which may be one that rests."""
    turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)
    job.refresh_from_db()


def test_what_the_service_says_by_now_is_the_verdict_and_the_earlier_one_is_kept(
    assess: Callable[..., SignIn], risk: RiskService, queue: Queue, do: Do, alice: User
) -> None:
    sign_in = assess()
    first = verdict_of(sign_in)
    risk.will_say(LATER)

    job = do(queue("rescore", query=""))

    assert (job.done, job.failed) == (1, 0)
    verdict = verdict_of(sign_in)
    assert (verdict.pk, verdict.assessment_id, verdict.score, verdict.decision) == (first.pk, "b-1", 75, "deny")
    assert verdict.reasons == LATER["reasons"]
    assert verdict.created_at > first.created_at
    (earlier,) = verdict.earlier_ones
    assert (earlier.assessment_id, earlier.score, earlier.level, earlier.decision) == ("a-1", 0, "low", "allow")
    assert earlier.created_at == first.created_at
    assert SecurityEvent.objects.filter(user=alice, details__action="rescore", details__job=str(job.pk)).count() == 1


def test_it_is_asked_with_the_facts_it_was_told_first_and_a_key_of_job_and_sign_in(
    assess: Callable[..., SignIn], risk: RiskService, queue: Queue, do: Do, alice: User
) -> None:
    SecurityEvent.objects.create(user=alice, kind=SecurityEvent.Kind.SIGN_IN_FAILED)
    sign_in = assess()
    SecurityEvent.objects.filter(kind=SecurityEvent.Kind.SIGN_IN_FAILED).delete()

    jobs_of_two = [do(queue("rescore", query="")) for _ in range(2)]

    assert keys(risk) == [f"bulk.{job.pk}.{sign_in.pk}" for job in jobs_of_two]
    _, body = risk.requests[0]
    assert body["sign_in"]["id"] == str(sign_in.pk)
    assert body["client"]["ip"] == sign_in.ip_address
    assert body["recent_failures"] == 1


def test_nothing_is_done_about_it_but_a_flag_where_there_was_none(
    assess: Callable[..., SignIn], risk: RiskService, queue: Queue, do: Do, settings: Any
) -> None:
    settings.LOGINWATCH_ENFORCE = "enforce"
    session = SessionStore()
    session.create()
    sign_in = assess(session_key=session.session_key)
    risk.will_say(LATER)

    assert do(queue("rescore", query="")).done == 1

    assert Session.objects.filter(pk=sign_in.session_key).exists()
    assert not Device.objects.exclude(untrusted_at=None).exists()
    assert not Notice.objects.exists()
    assert [one.to for one in mail.outbox] == [["admin@example.com"]]  # the end of the job
    assert verdict_of(sign_in).action == Verdict.Action.FLAGGED
    flag = SecurityEvent.objects.get(kind=SecurityEvent.Kind.RISK_FLAGGED)
    assert (flag.sign_in, flag.details) == (sign_in, {"verdict": "deny", "score": 75})


def test_what_was_done_about_it_first_stays_what_was_done(
    assess: Callable[..., SignIn], risk: RiskService, queue: Queue, do: Do
) -> None:
    sign_in = assess(DENY)
    risk.will_say(ALLOW | {"id": "b-2"})

    do(queue("rescore", query=""))

    verdict = verdict_of(sign_in)
    assert (verdict.decision, verdict.action) == ("allow", "flagged")
    assert SecurityEvent.objects.filter(kind=SecurityEvent.Kind.RISK_FLAGGED).count() == 1


def test_a_process_that_is_killed_after_the_answer_asks_again_with_the_same_key_and_stores_it_once(
    assess: Callable[..., SignIn], risk: RiskService, queue: Queue, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*args: Any) -> None:
        raise Killed

    sign_in = assess()
    risk.will_say(LATER)
    job = queue("rescore", query="")
    turn(job)
    with monkeypatch.context() as patch:
        patch.setattr(working, "_note_outside", killed)
        with pytest.raises(Killed):
            turn(job)
    assert verdict_of(sign_in).assessment_id == "b-1"

    job = do(job)

    assert (job.done, job.failed) == (1, 0)
    assert keys(risk) == [f"bulk.{job.pk}.{sign_in.pk}"] * 2
    assert len(verdict_of(sign_in).earlier_ones) == 1


def test_an_answer_that_comes_late_a_second_time_does_not_undo_a_later_one(assess: Callable[..., SignIn]) -> None:
    sign_in = assess()
    for said in (LATER, ALLOW | {"id": "b-2"}, LATER):
        assert verdicts.replace(sign_in, said)

    verdict = verdict_of(sign_in)
    assert verdict.assessment_id == "b-2"
    assert [one.assessment_id for one in verdict.earlier_ones] == ["b-1", "a-1"]


def test_a_sign_in_without_a_verdict_fails_and_one_that_is_emptied_is_skipped_and_neither_is_asked_about(
    make_run: Callable[..., Run], assess: Callable[..., SignIn], risk: RiskService, queue: Queue, do: Do
) -> None:
    emptied, going = assess(), make_run().sign_in
    SignIn.objects.filter(pk=emptied.pk).update(emptied_at=timezone.now())

    job = do(queue("rescore", query=""))

    assert (job.done, job.skipped, job.failed) == (0, 1, 1)
    failure = BulkFailure.objects.get()
    assert failure.row == str(going.pk)
    assert failure.reason.startswith("It has no verdict to replace.")
    assert risk.requests == []


def test_a_sign_in_that_is_forgotten_while_the_service_thinks_stays_forgotten(
    assess: Callable[..., SignIn], risk: RiskService, queue: Queue, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in = assess()
    asked = risk_api.assess

    def assess_slowly(*args: Any, **options: Any) -> dict[str, Any]:
        Verdict.objects.filter(sign_in=sign_in).delete()
        return asked(*args, **options)

    monkeypatch.setattr(risk_api, "assess", assess_slowly)

    job = do(queue("rescore", query=""))

    assert (job.done, job.skipped) == (0, 1)
    assert not Verdict.objects.exists()


def test_a_request_that_is_refused_costs_its_row_which_can_be_retried(
    assess: Callable[..., SignIn], risk: RiskService, queue: Queue, do: Do, admin: User
) -> None:
    refused, other = assess(), assess()
    risk.answers[str(refused.pk)] = [Answer(status=422, body=b"no such version"), Answer()]
    risk.will_say(LATER)

    job = do(queue("rescore", query=""))

    assert (job.done, job.failed) == (1, 1)
    assert BulkFailure.objects.get().reason == "the risk service answered 422: no such version"
    assert verdict_of(refused).assessment_id == "a-1"
    assert verdict_of(other).assessment_id == "b-1"
    jobs.retry_failed(job, by=admin)
    assert do(job).failed == 0


def test_while_the_breaker_is_open_the_job_rests_and_no_row_fails(
    assess: Callable[..., SignIn], risk: RiskService, queue: Queue, do: Do
) -> None:
    sign_in = assess()
    risk.answer = Answer(body=json.dumps(LATER).encode())
    for _ in range(breakers.OPENS_AFTER):
        breakers.Call(risk_api.host()).failed("no answer")
    job = queue("rescore", query="")
    turn(job)
    turn(job)

    assert risk.requests == []
    assert (job.state, job.done, job.failed) == (State.RUNNING, 0, 0)
    assert "has not answered since" in job.error
    Breaker.objects.update(probe_at=timezone.now())
    breakers.forget()

    job = do(job)
    assert (job.done, job.error) == (1, "")
    assert verdict_of(sign_in).assessment_id == "b-1"
    assert not breakers.open_breakers()


def test_a_service_that_gives_no_answer_costs_no_row_and_opens_the_breaker(
    assess: Callable[..., SignIn], risk: RiskService, queue: Queue
) -> None:
    assess()
    risk.answer = Answer(status=503, headers={"Retry-After": "40"})
    job = queue("rescore", query="")
    for _ in range(12):
        turn(job)

    assert len(risk.requests) == breakers.OPENS_AFTER
    assert breakers.open_breakers()
    assert (job.state, job.done, job.failed) == (State.RUNNING, 0, 0)


def test_a_service_that_does_not_know_this_site_costs_no_row_however_long(
    assess: Callable[..., SignIn], risk: RiskService, queue: Queue
) -> None:
    assess()
    risk.answer = Answer(status=401, body=b"the signature is wrong", headers={"Retry-After": "40"})
    job = queue("rescore", query="")
    turn(job)
    for _ in range(working.GIVEN_UP_AFTER + 2):
        turn(job)

    assert (job.state, job.failed) == (State.RUNNING, 0)
    assert job.error == "the risk service answered 401: the signature is wrong"
    lane = BulkLane.objects.get(job=job, number=0)
    assert lane.due_at and lane.due_at > timezone.now() + timedelta(seconds=35)


def test_a_sign_in_at_which_a_service_errs_that_answers_others_is_given_up(
    assess: Callable[..., SignIn], risk: RiskService, queue: Queue, do: Do
) -> None:
    bad, other = assess(), assess()
    risk.will_say(LATER)
    risk.answers[str(bad.pk)] = [Answer(status=500)]
    job = queue("rescore", query="")
    turn(job)
    for _ in range(working.GIVEN_UP_AFTER):
        turn(job)
        assert job.failed == 0
        breakers.Call(risk_api.host()).answered()  # somebody signs in
        breakers.forget()

    job = do(job)

    assert (job.done, job.failed) == (1, 1)
    assert BulkFailure.objects.get().row == str(bad.pk)
    assert len(keys(risk)) == working.GIVEN_UP_AFTER + 1
    assert verdict_of(other).assessment_id == "b-1"


def test_it_is_asked_no_more_often_than_its_rate_allows(
    assess: Callable[..., SignIn], risk: RiskService, queue: Queue, do: Do, settings: Any
) -> None:
    assess()
    assess()
    risk.will_say(LATER)
    settings.RISK_API_RATE = 1.0
    job = queue("rescore", query="")
    turn(job)
    turn(job)

    assert (len(risk.requests), job.done) == (1, 1)
    assert job.error == "The risk service is asked as often as RISK_API_RATE allows."
    lane = BulkLane.objects.get(job=job, number=0)
    assert lane.due_at and lane.due_at > timezone.now() + timedelta(seconds=2)
    assert do(job).done == 2


def test_the_page_of_the_run_tells_what_was_said_before(
    assess: Callable[..., SignIn], risk: RiskService, queue: Queue, do: Do, client: Client, alice: User
) -> None:
    sign_in = assess()
    client.force_login(alice)
    address = sign_in.run.get_absolute_url()
    assert "asked again" not in client.get(address).content.decode()
    risk.will_say(LATER)
    do(queue("rescore", query=""))

    page = Page(client.get(address).content.decode())

    assert page.faults == []
    assert "the risk service says so, asked again about this sign-in" in page.text
    assert "looks fine, score 0" in page.text
    assert "Score 75 of 100" in page.text


def test_it_has_a_permission_of_its_own_and_no_dry_run(
    assess: Callable[..., SignIn], queue: Queue, make_operator: Callable[..., User], client: Client
) -> None:
    sign_in = assess()
    with pytest.raises(jobs.Refused, match=r"workflows\.bulk_rescore"):
        queue("rescore", query="", by=make_operator("carol", "bulk_anonymise"))

    client.force_login(make_operator("dave", "bulk_rescore"))
    chosen = {"action": "bulk_rescore", "_selected_action": [sign_in.pk]}
    asked = Page(client.post("/admin/accounts/signin/", chosen).content.decode())
    assert "1 sign in is selected" in asked.text
    assert [value for value in asked.values("value") if "Dry run" in value] == []
