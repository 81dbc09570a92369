"""How often a page that shows a run has to ask, and what it finds changed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import states
from django.utils import timezone

from accounts.models import Notice, User
from tests.workflows.celery_rows import keep_results, step_of, store
from tests.workflows.password_changes import MakeChange, change_of
from tests.workflows.password_changes import make_change as make_change  # the fixture
from workflows import callbacks, kinds, ledger, runs
from workflows.models import CallbackCall, Run, Step
from workflows.presentation.watching import Glance, glance, pace


def seen(run: Run) -> Glance:
    found = glance(run.pk)
    assert found
    return found


def ago(seconds: float) -> Any:
    return timezone.now() - timedelta(seconds=seconds)


def stands(run: Run, seconds: float) -> None:
    """Nothing has happened to it for so long."""
    Run.objects.filter(pk=run.pk).update(created_at=ago(seconds), published_at=None)


@pytest.mark.parametrize(("seconds", "every"), [(0, 1), (1.9, 1), (2, 2), (9.5, 9), (29, 29), (31, 30), (301, 30)])
def test_the_longer_nothing_happens_the_more_rarely_it_is_asked(seconds: float, every: int) -> None:
    assert pace(timedelta(seconds=seconds)) == every


def test_whose_run_it_is_and_how_it_stands(run: Run, alice: User) -> None:
    assert (seen(run).owner, seen(run).state, seen(run).poll) == (alice.pk, "queued", 1)
    assert glance(uuid.uuid4()) is None


def test_a_run_of_no_sign_in_is_its_users(run: Run, bob: User) -> None:
    Run.objects.filter(pk=run.pk).update(sign_in=None, user=bob)
    assert seen(run).owner == bob.pk


def test_what_happens_makes_it_fresh_again(run: Run) -> None:
    stands(run, 1000)
    assert seen(run).poll == 30
    run.steps.filter(name="check_device").update(state=Step.State.RUNNING, attempted_at=ago(1))
    assert seen(run).poll == 1


@pytest.mark.parametrize(("due_in", "every"), [(4.5, 6), (300, 30)])
def test_a_run_that_waits_to_be_tried_again_is_asked_shortly_after(run: Run, due_in: float, every: int) -> None:
    run.steps.exclude(name="post_to_risk_api").update(state=Step.State.SUCCEEDED)
    retrying = {"state": Step.State.RETRYING, "attempted_at": ago(1), "leased_until": ago(-due_in)}
    run.steps.filter(name="post_to_risk_api").update(**retrying)
    runs.mark_retrying(run.pk, ago(-due_in))
    assert seen(run).poll == every


def test_beside_one_that_waits_to_be_tried_again_the_group_moves_on(run: Run) -> None:
    retrying = {"state": Step.State.RETRYING, "attempted_at": ago(1), "leased_until": ago(-20)}
    run.steps.filter(name="notify_user").update(**retrying)
    assert seen(run).poll == 1
    run.steps.filter(name="save_event").update(state=Step.State.SUCCEEDED)
    assert seen(run).poll in (20, 21)


def test_what_is_due_since_is_as_fresh_as_what_happened(run: Run) -> None:
    stands(run, 1000)
    run.steps.filter(name="check_device").update(state=Step.State.RETRYING, attempted_at=ago(400), leased_until=ago(1))
    assert seen(run).poll == 1


@pytest.mark.parametrize("state", [Run.State.SUCCEEDED, Run.State.FAILED, Run.State.CANCELLED])
def test_a_run_that_has_ended_is_asked_for_no_more(run: Run, state: Run.State) -> None:
    run.steps.update(state=Step.State.SUCCEEDED)
    Run.objects.filter(pk=run.pk).update(state=state, finished_at=ago(60))
    assert seen(run).poll == 0


def test_at_the_end_celerys_last_result_is_waited_for(run: Run) -> None:
    keep_results(run)
    run.steps.update(state=Step.State.SUCCEEDED)
    Run.objects.filter(pk=run.pk).update(state=Run.State.SUCCEEDED, finished_at=timezone.now())
    before = seen(run)
    assert before.poll == 1
    for name in run.steps.values_list("name", flat=True):
        store(step_of(run, name), {})
    after = seen(run)
    assert after.poll == 0 and after.version != before.version


def fail(run: Run, name: str, seconds_ago: float = 0) -> None:
    """As the ledger and Celery know it, before any error callback was called."""
    ledger.fail_step(run.pk, name, "x")
    store(step_of(run, name), {}, states.FAILURE)
    run.steps.filter(name=name).update(finished_at=ago(seconds_ago))
    Run.objects.filter(pk=run.pk).update(finished_at=ago(seconds_ago))


def test_a_run_that_failed_is_asked_for_until_its_error_callbacks_were_called(run: Run) -> None:
    fail(run, "post_to_risk_api")
    assert (seen(run).state, seen(run).poll) == (Run.State.FAILED, 1)
    callbacks.note_call(run.pk, CallbackCall.Level.CHAIN, ["post_to_risk_api"])
    assert seen(run).poll == 1
    callbacks.note_call(run.pk, CallbackCall.Level.TASK, ["post_to_risk_api"])
    assert seen(run).poll == 0


@pytest.mark.parametrize(("seconds_ago", "every"), [(6, 6), (40, 30), (121, 0)])
def test_callbacks_that_are_made_up_are_waited_for_slowly_and_not_for_ever(
    run: Run, seconds_ago: float, every: int
) -> None:
    fail(run, "check_device", seconds_ago)
    assert seen(run).poll == every


def test_the_callbacks_of_before_a_run_was_resumed_are_not_those_of_now(run: Run) -> None:
    fail(run, "check_device")
    callbacks.note_call(run.pk, CallbackCall.Level.CHAIN, ["check_device"])
    assert seen(run).poll == 0
    Run.objects.filter(pk=run.pk).update(resumed=1)
    assert seen(run).poll == 1


def test_a_member_of_the_group_that_fails_after_its_run_has_callbacks_as_well(run: Run) -> None:
    fail(run, "save_event", seconds_ago=1000)
    noted_for = {"task": [], "group": ["notify_user", "save_event"], "chain": []}
    for level in kinds.get(run.kind).step("save_event").error_levels:
        callbacks.note_call(run.pk, CallbackCall.Level(level), noted_for[level])
    assert seen(run).poll == 0
    run.steps.filter(name="notify_user").update(state=Step.State.FAILED, finished_at=ago(0))
    store(step_of(run, "notify_user"), {}, states.FAILURE)
    assert seen(run).poll == 1


def test_a_run_of_a_kind_that_is_no_more_has_no_callbacks_to_wait_for(run: Run) -> None:
    fail(run, "check_device")
    Run.objects.filter(pk=run.pk).update(kind="of_another_version")
    assert seen(run).poll == 0


# Who cancels a run gives its mail up; but a worker that is at it may hand it over after that.
@pytest.mark.parametrize("state", [Run.State.DEGRADED, Run.State.FAILED, Run.State.CANCELLED])
@pytest.mark.parametrize(("notice", "every"), [(Notice.State.HANDED_OVER, 30), (Notice.State.GIVEN_UP, 0)])
def test_a_mail_that_follows_is_waited_for_slowly(run: Run, state: Run.State, notice: Notice.State, every: int) -> None:
    Notice.objects.create(sign_in=run.sign_in, message_id="<1@testserver>", state=notice)
    Run.objects.filter(pk=run.pk).update(state=state, finished_at=ago(200))
    assert seen(run).poll == every


def test_a_mail_that_the_verdict_asks_for_is_none_that_a_page_waits_for(run: Run) -> None:
    Notice.objects.create(sign_in=run.sign_in, message_id="<1@testserver>", state=Notice.State.HANDED_OVER)
    Run.objects.filter(pk=run.pk).update(state=Run.State.SUCCEEDED, finished_at=ago(200))
    assert seen(run).poll == 0


@pytest.mark.parametrize("state", [Run.State.FAILED, Run.State.CANCELLED])
def test_a_mail_of_a_password_change_that_went_out_after_its_run_is_another_version(
    make_change: MakeChange, state: Run.State
) -> None:
    run = make_change()
    Notice.objects.create(password_change=change_of(run), message_id="<1@testserver>", state=Notice.State.HANDED_OVER)
    Run.objects.update(state=state, finished_at=ago(200))
    before = seen(run)
    Notice.objects.update(state=Notice.State.SENT)
    after = seen(run)
    assert (before.poll, after.poll) == (30, 0)
    assert after.version != before.version


def test_the_mail_of_a_password_change_is_waited_for_as_well(make_change: MakeChange) -> None:
    run, other = make_change(), make_change()
    Notice.objects.create(password_change=change_of(run), message_id="<1@testserver>", state=Notice.State.HANDED_OVER)
    Run.objects.update(state=Run.State.DEGRADED, finished_at=ago(60))
    before = seen(run)
    assert (before.poll, seen(other).poll) == (30, 0)
    Notice.objects.update(state=Notice.State.SENT)
    runs.mend_degraded_runs()
    after = seen(run)
    assert (after.state, after.poll) == (Run.State.SUCCEEDED, 0)
    assert after.version != before.version


def test_the_mail_of_a_password_change_that_was_given_up_is_another_version(make_change: MakeChange) -> None:
    run = make_change()
    Notice.objects.create(password_change=change_of(run), message_id="<1@testserver>", state=Notice.State.HANDED_OVER)
    Run.objects.update(state=Run.State.DEGRADED, finished_at=ago(60))
    before = seen(run)
    Notice.objects.update(state=Notice.State.GIVEN_UP)
    assert seen(run).poll == 0
    assert seen(run).version != before.version


@pytest.mark.parametrize("tried", [{"attempts": 1}, {"next_attempt_at": ago(0)}], ids=str)
@pytest.mark.parametrize("kind", ["sign_in", "password_change"])
def test_each_attempt_at_a_mail_that_follows_is_another_version(
    run: Run, make_change: MakeChange, kind: str, tried: dict[str, Any]
) -> None:
    shown = run if kind == "sign_in" else make_change()
    about = {"sign_in": run.sign_in} if kind == "sign_in" else {"password_change": change_of(shown)}
    Notice.objects.create(**about, message_id="<1@testserver>", state=Notice.State.HANDED_OVER)
    Run.objects.update(state=Run.State.DEGRADED, finished_at=ago(60))
    before = seen(shown)
    Notice.objects.update(**tried)
    assert seen(shown).version != before.version


CHANGES: dict[str, Callable[[Run], object]] = {
    "a step is taken up": lambda run: run.steps.filter(name="save_event").update(state="running", attempts=1),
    "a step is tried again": lambda run: run.steps.filter(name="save_event").update(attempts=2),
    "a step fails": lambda run: ledger.fail_step(run.pk, "check_device", "x"),
    "it is published": lambda run: runs.mark_published(run.pk),
    "it is resumed": lambda run: Run.objects.filter(pk=run.pk).update(resumed=1),
    "a callback is called": lambda run: callbacks.note_call(run.pk, CallbackCall.Level.CHAIN, ["check_device"]),
    "Celery stores a result": lambda run: store(step_of(run, "check_device"), {"device": 1}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_another_version(run: Run, change: str) -> None:
    before = seen(run).version
    assert seen(run).version == before
    CHANGES[change](run)
    assert seen(run).version != before


def test_a_callback_that_is_called_again_is_another_version(run: Run) -> None:
    callbacks.note_call(run.pk, CallbackCall.Level.CHAIN, ["check_device"])
    before = seen(run).version
    callbacks.note_call(run.pk, CallbackCall.Level.CHAIN, ["check_device"])
    assert seen(run).version != before
