"""`manage.py run <uuid>`: a run in the terminal, and as JSON."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from celery.result import result_from_tuple
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_celery_results.models import TaskResult

from accounts.models import User
from tests.workflows.celery_rows import keep_results, step_of, store, store_children
from workflows import callbacks, ledger
from workflows.models import Attempt, CallbackCall, Run, Step
from workflows.presentation.celery_results import groups_of
from workflows.results.walk import walk


def said(run: Run, *options: str) -> str:
    out = StringIO()
    call_command("run", str(run.pk), *options, stdout=out)
    return out.getvalue()


def told(run: Run) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(said(run, "--json"))
    return answer


def fail(run: Run) -> None:
    """As a run fails: the device checked, the risk service refusing; Celery has another opinion of one step."""
    keep_results(run)
    run.steps.exclude(name__startswith="post").update(state=Step.State.SUCCEEDED, attempts=1, result={"event": 7})
    for name in ("check_device", "notify_user", "save_event"):
        store(step_of(run, name), {"event": 7})
    store(step_of(run, "save_event"), {"event": 7})
    TaskResult.objects.filter(task_id=step_of(run, "save_event").task_id).update(status="FAILURE", result=None)
    ledger.fail_step(run.pk, "post_to_risk_api", "RiskApiRefused: 422\n\x1b[2Jand more")
    store(step_of(run, "post_to_risk_api"), ValueError("422"), "FAILURE", "Traceback\n  the last line")
    callbacks.note_call(run.pk, CallbackCall.Level.CHAIN, ["post_to_risk_api"])
    callbacks.note_call(run.pk, CallbackCall.Level.CHAIN, ["post_to_risk_api"])


def test_a_run_is_a_tree_in_the_shape_of_its_canvas(run: Run) -> None:
    lines = said(run).splitlines()
    assert lines[0] == f"queued: run {run.pk} of a sign-in of alice (alice@example.com)"
    assert [line for line in lines if "─" in line] == [
        "├─ check_device (check the device): waiting",
        "├─ at the same time",
        "│  ├─ notify_user (notify the user): waiting",
        "│  └─ save_event (save the event): waiting",
        "├─ post_to_risk_api (ask the risk service): waiting",
        "└─ post_process (act on the verdict): waiting",
    ]
    assert "published 0 times; healed 0 times; resumed 0 times" in lines
    assert lines[-1].startswith("Celery's results: it was not published")


def test_errors_callbacks_celerys_results_and_disagreements_are_in_the_tree(run: Run) -> None:
    fail(run)
    text = said(run)
    assert "└─ post_process (act on the verdict): not reached" in text
    assert '│     result  {"event": 7}' in text and '│     Celery  SUCCESS {"event": 7}' in text
    assert "!       Celery says FAILURE, the ledger says succeeded. The ledger counts." in text
    assert "Celery  FAILURE ValueError: 422" in text and "  the last line" in text
    assert "attempt 1 at" in text and ", failed after 0 ms: RiskApiRefused: 422" in text
    assert "of the whole chain for ask the risk service: it failed for good, called 2 times" in text
    assert text.rstrip().endswith("Celery and the ledger disagree on: save the event")


def test_what_others_said_is_not_obeyed_by_the_terminal(run: Run) -> None:
    fail(run)
    assert "\x1b" not in said(run) and r"RiskApiRefused: 422\n\x1b[2Jand more" in said(run)


def test_a_step_that_is_tried_again_says_when(run: Run) -> None:
    later = timezone.now() + timedelta(minutes=3)
    step = step_of(run, "notify_user")
    retrying = {"state": Step.State.RETRYING, "attempts": 2, "leased_until": later, "error": "refused"}
    Step.objects.filter(pk=step.pk).update(**retrying)
    Attempt.objects.create(
        step=step, number=2, outcome="put_off", began_at=run.created_at, ended_at=run.created_at, next_at=later
    )
    moment = f"{timezone.localtime(later):%H:%M:%S}"
    text = said(run)
    assert f"notify_user (notify the user): retrying, 2 attempts, again at {later:%Y-%m-%d} {moment}" in text
    assert f"put off after 0 ms, next at {later:%Y-%m-%d} {moment}" in text
    (_, notify, *_) = told(run)["steps"]
    assert notify["again_at"] == notify["failed_attempts"][0]["next_at"] and notify["error"] == "refused"


def test_a_result_that_does_not_decode_is_shown_as_such(run: Run) -> None:
    fail(run)
    TaskResult.objects.filter(task_id=step_of(run, "check_device").task_id).update(result='{"cut')
    assert "Celery  SUCCESS what is stored of it does not decode" in said(run)
    Run.objects.filter(pk=run.pk).update(results={"not": "a tuple"})
    assert "Celery's results: what the run keeps of it is no result of Celery's" in said(run)
    assert told(run)["celery_problem"] == "what the run keeps of it is no result of Celery's"


def test_programs_are_told_the_same_as_json(run: Run, alice: User) -> None:
    fail(run)
    answer = told(run)
    assert (answer["id"], answer["state"], answer["user"], answer["kind"]) == (
        str(run.pk), "failed", alice.pk, "sign_in",
    )  # fmt: skip
    check, notify, save, post, process = answer["steps"]
    assert [step["stage"] for step in (check, notify, save, post, process)] == [0, 1, 1, 2, 3]
    assert check["celery"]["value"] == check["result"] == {"event": 7}
    assert save["disagreement"].startswith("Celery says FAILURE")
    assert post["failed_attempts"][0]["outcome"] == "failed" and post["celery"]["traceback"].startswith("Traceback")
    (call,) = answer["callbacks"]
    assert (call["level"], call["step"], call["reason"], call["calls"]) == ("chain", "post_to_risk_api", "failed", 2)


def test_celerys_group_is_told_and_what_each_result_came_after_and_published(run: Run) -> None:
    fail(run)
    (group,) = groups_of(walk(run.results))
    store_children(step_of(run, "check_device"), [[[group.id, None], []], [["somewhere-else", None], None]])
    lines = [line.strip("│├└─ ") for line in said(run).splitlines()]
    assert lines[lines.index("at the same time") + 1] == f"Celery  group {group.id}: FAILURE, 1 of 2 completed"
    assert f"canvas  it begins the canvas; published group {group.id}, somewhere-else" in lines
    assert lines.count("canvas  after check_device, in the group") == 2
    assert f"canvas  after group {group.id}" in lines and "canvas  after post_to_risk_api" in lines

    answer = told(run)
    assert answer["celery_groups"] == [
        {
            "id": group.id,
            "state": "FAILURE",
            "ready": True,
            "completed": 1,
            "members": [step_of(run, name).task_id for name in ("notify_user", "save_event")],
            "parent": step_of(run, "check_device").task_id,
        }
    ]
    check, notify, save, post, _ = [step["celery"] for step in answer["steps"]]
    assert (check["group"], notify["group"], save["group"], post["group"]) == (None, group.id, group.id, None)
    assert check["children"] == [group.id, "somewhere-else"] and post["parent"] == group.id


@pytest.mark.parametrize(
    "ended", [(), ("SUCCESS",), ("RETRY",), ("FAILURE", "SUCCESS"), ("RETRY", "FAILURE"), ("SUCCESS", "SUCCESS")]
)
def test_a_group_is_told_as_celerys_own_result_of_it_says(run: Run, ended: tuple[str, ...]) -> None:
    keep_results(run)
    for name, state in zip(("notify_user", "save_event"), ended, strict=False):
        store(step_of(run, name), ValueError("x") if state in ("FAILURE", "RETRY") else {"event": 7}, state)
    (group,) = told(run)["celery_groups"]
    assert run.results
    last: Any = result_from_tuple(run.results)
    celerys = last.parent.parent
    assert (group["id"], group["ready"], group["completed"]) == (
        celerys.id, celerys.ready(), celerys.completed_count(),
    )  # fmt: skip
    assert (group["state"] == "SUCCESS") == celerys.successful()


def test_a_run_of_no_sign_in_is_told_by_its_facts(run: Run, bob: User) -> None:
    Run.objects.filter(pk=run.pk).update(sign_in=None, user=bob, facts={"password_change": 3})
    assert "of a sign-in of bob (bob@example.com)" in said(run) and 'facts {"password_change": 3}' in said(run)
    assert (told(run)["sign_in"], told(run)["facts"], told(run)["user"]) == (None, {"password_change": 3}, bob.pk)


@pytest.mark.parametrize("text", ["nonsense", "", "1234", "\x00"])
def test_what_is_no_id_is_refused_in_one_line(db: None, text: str) -> None:
    with pytest.raises(CommandError, match="is no run's id") as refusal:
        call_command("run", text)
    assert len(str(refusal.value).splitlines()) == 1


def test_an_unknown_run_is_refused_in_one_line(db: None) -> None:
    unknown = uuid.uuid4()
    with pytest.raises(CommandError, match=f"^there is no run {unknown}$"):
        call_command("run", str(unknown))
