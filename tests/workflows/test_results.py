"""Celery's results of a run, walked and set beside the ledger."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.utils import timezone
from django_celery_results.models import TaskResult

from tests.workflows.celery_rows import keep_results, step_of, store
from workflows import ledger, runs
from workflows.models import Run, Step
from workflows.presentation.words import stages_of
from workflows.results.tree import (
    DOES_NOT_DECODE,
    NEVER_PUBLISHED,
    NOT_A_RESULT,
    NOTHING_STORED,
    Node,
    disagreement,
    disagreements,
)
from workflows.results.walk import walk
from workflows.risk.risk_api import RiskApiRefused
from workflows.steps import Name

ASK = Name.POST_TO_RISK_API
State = Step.State


def test_the_walk_finds_every_task_its_parent_and_who_is_in_the_group(run: Run) -> None:
    keep_results(run)
    tree = walk(run.results)
    process, post, group, check = (node for node in tree.nodes() if not _is_member(node, run))
    assert [node.id for node in (process, post, check)] == [
        f"{run.pk}.{name}" for name in ("post_process", "post_to_risk_api", "check_device")
    ]
    assert [member.id for member in group.members] == [f"{run.pk}.notify_user", f"{run.pk}.save_event"]
    assert (process.parent, post.parent, group.parent, check.parent) == (post, group, check, None)


def _is_member(node: Node, run: Run) -> bool:
    return node.id in (f"{run.pk}.notify_user", f"{run.pk}.save_event")


def test_a_value_is_told_as_it_was_returned(run: Run) -> None:
    keep_results(run)
    store(step_of(run, "save_event"), {"event": 7, "recent_failures": 0})
    node = walk(run.results).of(step_of(run, "save_event"))
    assert node and (node.state, node.value, node.problem) == ("SUCCESS", {"event": 7, "recent_failures": 0}, "")


def test_an_exception_is_told_with_its_traceback(run: Run) -> None:
    keep_results(run)
    store(step_of(run, "post_to_risk_api"), RiskApiRefused("422"), "FAILURE", "Traceback: the last line")
    node = walk(run.results).of(step_of(run, "post_to_risk_api"))
    assert node and (node.state, node.value) == ("FAILURE", None)
    assert (node.error, node.traceback) == ("RiskApiRefused: 422", "Traceback: the last line")


def test_a_group_is_as_far_as_its_members(run: Run) -> None:
    def state() -> str:
        return next(node.state for node in walk(run.results).nodes() if node.members)

    keep_results(run)
    assert state() == "PENDING"
    store(step_of(run, "save_event"), {"event": 7})
    assert state() == "PENDING"
    store(step_of(run, "notify_user"), ValueError("x"), "FAILURE")
    assert state() == "FAILURE"
    store(step_of(run, "notify_user"), {"notice": "sent"})
    assert state() == "SUCCESS"


def test_what_is_not_stored_or_has_expired_is_told_as_that(run: Run) -> None:
    keep_results(run)
    step = step_of(run, "check_device")
    node = walk(run.results).of(step)
    assert node and (node.state, node.problem) == ("", NOTHING_STORED)
    store(step, {"device": 1})
    node = walk(run.results).of(step)
    assert node and (node.state, node.value, node.problem) == ("SUCCESS", {"device": 1}, "")
    TaskResult.objects.all().delete()
    # What the process remembers of it is not asked.
    node = walk(run.results).of(step)
    assert node and node.problem == NOTHING_STORED


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"result": '{"event": '}, id="cut JSON"),
        pytest.param({"meta": "[1, 2]"}, id="meta that is no object"),
        pytest.param({"meta": '"x"'}, id="meta that is a text"),
        pytest.param({"content_type": "application/x-python-serialize"}, id="pickle"),
        pytest.param({"content_type": "application/x-of-tomorrow"}, id="an unknown content type"),
        pytest.param({"content_encoding": "binary", "result": "no base64!"}, id="no base64"),
        pytest.param({"status": "FAILURE", "result": "[1]"}, id="an exception that is a list"),
        pytest.param({"status": "FAILURE", "result": '{"exc_message": "x"}'}, id="an exception without a type"),
        pytest.param(
            {"status": "FAILURE", "result": '{"exc_module": "os", "exc_type": "system", "exc_message": "true"}'},
            id="an exception that is a function",
        ),
    ],
)
def test_a_result_that_does_not_decode_is_told_as_that_with_its_state(run: Run, fields: dict[str, str]) -> None:
    keep_results(run)
    step = step_of(run, "save_event")
    store(step, {"event": 7}, traceback="said before")
    TaskResult.objects.filter(task_id=step.task_id).update(**fields)
    node = walk(run.results).of(step)
    assert node and (node.state, node.value, node.problem) == (fields.get("status", "SUCCESS"), None, DOES_NOT_DECODE)
    assert node.error and node.traceback == "said before"


def test_a_value_that_json_does_not_know_is_told_as_text(run: Run) -> None:
    keep_results(run)
    step = step_of(run, "save_event")
    number = uuid.uuid4()
    store(step, {"event": number, "at": timezone.now()})
    node = walk(run.results).of(step)
    assert node and node.value["event"] == str(number) and isinstance(node.value["at"], str)


GARBAGE: list[Any] = [
    "x", 7, {}, [], [[]], [["id"], None], [[7, None], None], [["id", "parent"], None], [["id", None], "members"],
    [["id", None], [["id"]]], [["id", None]],
]  # fmt: skip


@pytest.mark.parametrize(
    ("kept", "problem"), [(None, NEVER_PUBLISHED), *((garbage, NOT_A_RESULT) for garbage in GARBAGE)]
)
def test_a_run_that_keeps_nothing_to_walk_says_so(kept: Any, problem: str) -> None:
    tree = walk(kept)
    assert (tree.last, tree.problem, list(tree.nodes())) == (None, problem, [])


@pytest.mark.parametrize(
    ("says_ledger", "says_celery", "says"),
    [
        (State.SUCCEEDED, "FAILURE", "Celery says FAILURE, the ledger says succeeded. The ledger counts."),
        (State.WAITING, "SUCCESS", "Celery says SUCCESS, the ledger says waiting. The ledger counts."),
        (State.RETRYING, "FAILURE", "Celery says FAILURE, the ledger says retrying. The ledger counts."),
        (State.FAILED, "RETRY", "Celery says RETRY, the ledger says failed. The ledger counts."),
        (State.SUCCEEDED, "RETRY", "Celery says RETRY, the ledger says succeeded. The ledger counts."),
        (State.SUCCEEDED, "SUCCESS", ""),
        (State.SKIPPED, "SUCCESS", ""),
        (State.FAILED, "FAILURE", ""),
        (State.WAITING, "PENDING", ""),
        (State.RUNNING, "RETRY", ""),
        (State.RETRYING, "RETRY", ""),
        (State.SUCCEEDED, "", ""),
    ],
)
def test_where_celery_and_the_ledger_disagree_it_is_said(says_ledger: State, says_celery: str, says: str) -> None:
    assert disagreement(Step(name="save_event", state=says_ledger), Node("id", says_celery)) == says


def test_what_follows_a_failed_step_has_its_failure_in_celerys_words_too(run: Run) -> None:
    keep_results(run)
    for name in ("post_to_risk_api", "post_process"):
        store(step_of(run, name), ValueError("422"), "FAILURE")
    run.steps.filter(name="post_to_risk_api").update(state=State.FAILED)
    assert disagreements(stages_of(run), walk(run.results)) == {}


def test_what_failed_before_a_run_was_resumed_says_nothing_of_it_by_now(run: Run) -> None:
    def differing() -> list[str]:
        return list(disagreements(stages_of(run), walk(run.results)))

    keep_results(run)
    ledger.fail_step(run.pk, ASK, "422")
    for name in (ASK, Name.POST_PROCESS):
        store(step_of(run, name), ValueError("422"), "FAILURE")
    runs.reopen_failed_runs()
    assert differing() == []

    def ask(step: Step) -> dict[str, Any]:
        assert differing() == []
        raise ledger.TryAgain("still dead", 3600)

    with pytest.raises(ledger.TryAgain):
        ledger.outside(run.pk, ASK, ask, lease=ledger.LEASE)
    store(step_of(run, ASK), ledger.TryAgain("still dead", 3600), "RETRY")
    assert differing() == []


def test_a_failure_of_the_attempt_that_is_under_way_is_a_disagreement(run: Run) -> None:
    """As where its process was killed, which Celery is the first to know."""

    def ask(step: Step) -> dict[str, Any]:
        store(step, ValueError("killed"), "FAILURE")
        assert list(disagreements(stages_of(run), walk(run.results))) == [ASK]
        return {}

    keep_results(run)
    ledger.outside(run.pk, ASK, ask, lease=ledger.LEASE)


def test_another_value_is_a_disagreement_and_one_that_does_not_decode_is_none() -> None:
    step = Step(name="save_event", state=State.SUCCEEDED, result={"event": 7})
    assert disagreement(step, Node("id", "SUCCESS", {"event": 7})) == ""
    assert "another result" in disagreement(step, Node("id", "SUCCESS", {"event": 8}))
    assert disagreement(step, Node("id", "SUCCESS", problem=DOES_NOT_DECODE)) == ""
    assert disagreement(step, None) == ""
