"""What an operator may do to a run, done to many by a bulk job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import Notice, SecurityEvent, User
from tests.bulk.conftest import work_off
from tests.markup import Page, words
from tests.workflows.conftest import make_run as make_run  # the fixture
from workflows import ledger, publishing, runs
from workflows.bulk import jobs, working
from workflows.bulk.models import BulkFailure, BulkJob
from workflows.models import Run, Step
from workflows.steering.actions import AT_IT
from workflows.steps import Name

Queue = Callable[..., BulkJob]
Do = Callable[[BulkJob], BulkJob]
ASK = Name.POST_TO_RISK_API
SKIP_ASKING = {"parameters": {"step": ASK}, "query": ""}


@pytest.fixture(autouse=True)
def no_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.backlog.lengths", lambda: {"sign_in": 0, "bulk": 10_000})


@pytest.fixture
def retrying(make_run: Callable[..., Run]) -> list[Run]:
    """The risk service is dead, and shall be asked again in an hour."""
    later = timezone.now() + timedelta(hours=1)
    made = [make_run() for _ in range(3)]
    for run in made:
        run.steps.filter(stage__lt=2).update(state=Step.State.SUCCEEDED, result={})
        run.steps.filter(name=ASK).update(state=Step.State.RETRYING, leased_until=later)
        runs.mark_retrying(run.pk, later)
    return made


def states(name: str = ASK) -> list[str]:
    return list(Step.objects.filter(name=name).order_by("pk").values_list("state", flat=True))


def steered() -> list[tuple[str, str, str]]:
    """What is noted of the runs' owners: the act, the step, and whose act it was."""
    events = SecurityEvent.objects.filter(kind=SecurityEvent.Kind.RUN_STEERED, user__username="alice").order_by("pk")
    return [(event.details["action"], event.details["step"], event.details["by"]["name"]) for event in events]


def test_a_step_is_skipped_of_all_runs_that_wait_for_it_and_each_is_noted(
    retrying: list[Run], queue: Queue, do: Do
) -> None:
    job = do(queue("skip", **SKIP_ASKING))

    assert (job.done, job.skipped, job.failed) == (3, 0, 0)
    assert states() == ["skipped"] * 3
    assert set(Run.objects.values_list("state", flat=True)) == {Run.State.QUEUED}
    assert steered() == [("skip", ASK, "admin")] * 3


def test_a_run_that_a_worker_is_at_fails_alone_and_is_retried_when_that_has_ended(
    retrying: list[Run], queue: Queue, do: Do, admin: User
) -> None:
    taken = retrying[1].steps.filter(name=ASK)
    taken.update(state=Step.State.RUNNING)

    job = do(queue("skip", **SKIP_ASKING))
    assert (job.done, job.failed) == (2, 1)
    assert BulkFailure.objects.get().reason == AT_IT
    assert states() == ["skipped", "running", "skipped"]

    taken.update(leased_until=timezone.now())
    jobs.retry_failed(job, by=admin)
    assert (do(job).done, job.failed) == (3, 0)


def test_runs_that_do_not_allow_it_are_skipped_and_the_page_and_the_mail_say_why(
    retrying: list[Run], make_run: Callable[..., Run], queue: Queue, do: Do, client: Client, admin: User
) -> None:
    retrying[0].steps.filter(name=ASK).update(state=Step.State.SKIPPED)
    runs.cancel_run(retrying[1].pk)
    ended = make_run()
    Run.objects.filter(pk=ended.pk).update(state=Run.State.SUCCEEDED)

    job = do(queue("skip", **SKIP_ASKING))

    assert (job.done, job.skipped, job.failed) == (1, 3, 0)
    reasons = {
        "The step was skipped already.": 1,
        "The run was cancelled. “Run again what was left out” has it go on.": 1,
        "The run has ended (succeeded): there is nothing left to do.": 1,
    }
    assert job.reasons == reasons
    client.force_login(admin)
    told = (
        Page(client.get(f"/admin/workflows/bulkjob/{job.pk}/change/").content.decode()).text,
        mail.outbox[-1].body,
    )
    assert all(f"{number}: {why}" in text for why, number in reasons.items() for text in told)


def test_reasons_are_counted_over_all_batches_and_beyond_some_no_longer_told_apart(
    make_run: Callable[..., Run], queue: Queue, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "BATCH", 2)
    monkeypatch.setattr(working, "MOST_REASONS", 1)
    for state in [*[Run.State.SUCCEEDED] * 5, Run.State.CANCELLED, Run.State.DEGRADED]:
        Run.objects.filter(pk=make_run().pk).update(state=state)

    job = do(queue("cancel", query=""))

    assert job.skipped == 7
    assert job.reasons == {
        "The run has ended (succeeded): there is nothing left to do.": 5,
        working.OTHER_REASONS: 2,
    }


def test_what_waits_is_tried_again_at_once(retrying: list[Run], queue: Queue, do: Do) -> None:
    ledger.fail_step(retrying[0].pk, ASK, "it refuses")

    job = do(queue("retry", query=""))

    assert (job.done, job.skipped) == (2, 1)
    assert job.reasons == {"No step of the run waits to be tried again.": 1}
    assert states() == ["failed", "waiting", "waiting"]
    assert steered() == [("retry", ASK, "admin")] * 2


def test_a_dry_run_cancels_nothing_and_says_what_would_be(retrying: list[Run], queue: Queue, do: Do) -> None:
    Notice.objects.create(sign_in=retrying[0].sign_in, message_id="<m>", state=Notice.State.HANDED_OVER)

    tried = do(queue("cancel", query="", dry_run=True))
    assert tried.done == 3
    assert set(Run.objects.values_list("state", flat=True)) == {Run.State.RETRYING}
    assert (Notice.objects.get().state, steered()) == (Notice.State.HANDED_OVER, [])

    assert do(queue("cancel", query="")).done == 3
    assert set(Run.objects.values_list("state", flat=True)) == {Run.State.CANCELLED}
    assert (Notice.objects.get().state, steered()) == (Notice.State.GIVEN_UP, [("cancel", "", "admin")] * 3)


def test_a_dry_run_skips_nothing_and_publishes_no_run(
    retrying: list[Run],
    queue: Queue,
    do: Do,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    published: list[Run] = []
    monkeypatch.setattr(publishing, "publish", published.append)

    with django_capture_on_commit_callbacks(execute=True):
        tried = do(queue("skip", **SKIP_ASKING, dry_run=True))

    assert (tried.dry_run, tried.done, published) == (True, 3, [])
    assert (states(), steered()) == (["retrying"] * 3, [])


@pytest.mark.parametrize(("name", "parameters"), [("cancel", {}), ("skip", {"step": ASK})])
def test_where_another_person_has_to_approve_nothing_is_cancelled_or_skipped_before(
    retrying: list[Run], queue: Queue, do: Do, settings: Settings, name: str, parameters: dict[str, str]
) -> None:
    settings.BULK_APPROVAL = True

    assert do(queue(name, query="", parameters=parameters)).state == BulkJob.State.WAITING
    assert set(Run.objects.values_list("state", flat=True)) == {Run.State.RETRYING}
    assert (states(), steered()) == (["retrying"] * 3, [])


@pytest.mark.parametrize(
    ("name", "permission"),
    [("resume", "resume_run"), ("retry", "retry_step"), ("skip", "skip_step"), ("cancel", "cancel_run")],
)
def test_who_may_do_it_to_a_run_may_do_it_to_many_and_nothing_else(
    retrying: list[Run], client: Client, make_operator: Callable[..., User], queue: Queue, name: str, permission: str
) -> None:
    carol = make_operator("carol", permission)
    client.force_login(carol)
    listed = client.get("/admin/workflows/run/").content.decode()

    for other in ("resume", "retry", "skip", "cancel"):
        assert (f'value="bulk_{other}"' in listed) == (other == name)
    parameters = {"step": ASK} if name == "skip" else {}
    assert queue(name, query="", by=carol, parameters=parameters).requested_by == carol
    with pytest.raises(jobs.Refused, match="You have not the permission"):
        queue("run_again", query="", by=carol)


@pytest.fixture
def failed(make_run: Callable[..., Run], alice: User) -> dict[str, Run]:
    """A run of each of two kinds, by its kind."""
    made = {"sign_in": make_run(), "password_change": runs.create_run_of("password_change", alice)}
    Run.objects.update(state=Run.State.FAILED)
    return made


def test_all_runs_are_those_of_every_kind(failed: dict[str, Run], admin: User, client: Client) -> None:
    call_command("bulk", "start", "resume", "--by", "admin", "--all")

    job = work_off(BulkJob.objects.get())

    assert (job.total, job.done) == (2, 2)
    assert not Run.objects.filter(state=Run.State.FAILED).exists()
    client.force_login(admin)
    page = Page(client.get(f"/admin/workflows/bulkjob/{job.pk}/change/").content.decode())
    assert "Selection all rows" in words(page.text)


@pytest.mark.parametrize(
    ("query", "kept", "kinds"),
    [
        ("state__exact=failed", "state__exact=failed&kind=sign_in", {"sign_in"}),
        ("kind=password_change", "kind=password_change", {"password_change"}),
        ("q=alice@example.com", "q=alice%40example.com", {"sign_in", "password_change"}),
    ],
)
def test_a_filter_that_names_no_kind_is_of_the_one_that_the_list_shows_and_job_and_log_say_so(
    failed: dict[str, Run], admin: User, query: str, kept: str, kinds: set[str]
) -> None:
    call_command("bulk", "start", "resume", "--by", "admin", "--query", query)

    job = work_off(BulkJob.objects.get())

    assert {kind for kind, run in failed.items() if Run.objects.get(pk=run.pk).resumed} == kinds
    queued = SecurityEvent.objects.get(user=admin, kind=SecurityEvent.Kind.BULK_JOB)
    assert job.selection["query"] == queued.details["selection"]["query"] == kept


@pytest.mark.parametrize("empty", ["", "?", "q=", "p=2", "kind=", "kind=+", "state__exact=failed&kind="])
def test_an_empty_filter_of_runs_is_refused_like_any_other(failed: dict[str, Run], admin: User, empty: str) -> None:
    with pytest.raises(CommandError, match="filter of --query is empty"):
        call_command("bulk", "start", "resume", "--by", "admin", "--query", empty)


@pytest.mark.parametrize("step", ["", "check_device", "no_such_step"])
def test_only_a_step_that_a_run_can_do_without_is_skipped(retrying: list[Run], admin: User, step: str) -> None:
    with pytest.raises(CommandError, match="step: "):
        call_command("bulk", "start", "skip", "--by", "admin", "--all", "--set", f"step={step}")

    call_command("bulk", "start", "skip", "--by", "admin", "--all", "--set", f"step={ASK}")
    assert BulkJob.objects.get().parameters == {"step": ASK}


def test_the_page_asks_for_the_step(retrying: list[Run], admin_client: Client) -> None:
    form: dict[str, Any] = {"action": "bulk_skip", "index": "0", "select_across": "0"}
    asked = admin_client.post("/admin/workflows/run/", form | {"_selected_action": [run.pk for run in retrying]})

    page = Page(asked.content.decode())
    assert [e.attributes["value"] for e in page.elements if e.tag == "option"][:3] == ["", "notify_user", ASK]
