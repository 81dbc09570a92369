"""Celery's results as a real worker stores them, beside the ledger."""

from __future__ import annotations

from collections.abc import Callable

from accounts.models import User
from tests import servers
from tests.live.test_canvas import MakeRun
from tests.waiting import wait_for
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.risk_service import Answer, RiskService
from workflows.models import CallbackCall, Run
from workflows.presentation.celery_results import completed, groups_of, is_ready, show_celery
from workflows.presentation.watching import glance
from workflows.presentation.words import stages_of
from workflows.publishing import publish
from workflows.results.tree import ResultTree, disagreements
from workflows.results.walk import walk

Finished = Callable[[Run], bool]


def settled(run: Run) -> ResultTree:
    """Once a page that watches the run would ask no more."""

    def at_rest() -> bool:
        seen = glance(run.pk)
        return seen is not None and seen.poll == 0

    wait_for(at_rest, "Celery's last result is stored")
    return walk(Run.objects.get(pk=run.pk).results)


def test_the_walk_finds_what_the_worker_stored_and_it_agrees_with_the_ledger(
    alice: User, worker: servers.Server, risk: RiskService, make_run: MakeRun, finished: Finished
) -> None:
    run = make_run()
    publish(run)
    wait_for(lambda: finished(run), "the run finishes")

    tree = settled(run)

    assert {node.state for node in tree.nodes()} == {"SUCCESS"}
    assert {node.id: node.value for node in tree.nodes() if not node.members} == {
        step.task_id: step.result for step in run.steps.all()
    }
    assert disagreements(stages_of(run), tree) == {}
    (group,) = groups_of(tree)
    assert (group.state, completed(group), is_ready(group)) == ("SUCCESS", 2, True)
    shown = {step.name: show_celery(tree.of(step), tree, run, staff=True) for step in run.steps.all()}
    links = {
        name: (one.after and one.after.title, [child.title for child in one.published]) for name, one in shown.items()
    }
    assert links == {
        "check_device": (None, ["the group"]),
        "notify_user": ("check the device", []),
        "save_event": ("check the device", []),
        "post_to_risk_api": ("the group", ["act on the verdict"]),
        "post_process": ("ask the risk service", []),
    }
    assert [name for name, one in shown.items() if one.group] == ["notify_user", "save_event"]


def test_a_failure_is_told_with_its_traceback_and_agrees_with_the_ledger(
    alice: User, worker: servers.Server, risk: RiskService, make_run: MakeRun, finished: Finished
) -> None:
    risk.answer = Answer(status=422, body=b"the version is wrong")
    run = make_run()
    publish(run)
    wait_for(lambda: finished(run), "the run ends")

    tree = settled(run)

    post = tree.of(run.steps.get(name="post_to_risk_api"))
    assert post and post.state == "FAILURE" and "422: the version is wrong" in post.error
    assert "risk_api.py" in post.traceback
    # The page asks until it has them, too.
    levels = CallbackCall.objects.filter(run=run).values_list("level", flat=True)
    assert set(levels) == {"task", "chain"}
    # Of the step behind it, which was never reached, Celery says that it failed, too.
    process = tree.of(run.steps.get(name="post_process"))
    assert process and process.state == "FAILURE"
    assert disagreements(stages_of(run), tree) == {}
