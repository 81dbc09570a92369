"""The tutorial's code does what the tutorial says, as it is printed there, through a real worker."""

from __future__ import annotations

import doctest
import mailbox
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.result import AsyncResult

import workflows
from accounts.models import User
from tests import servers
from tests.environment import SCRATCH
from tests.live.tutorial import load_modules, printed_modules, printed_sessions, write_modules
from tests.waiting import wait_for
from workflows import backlog, kinds
from workflows.models import Run
from workflows.publishing import publish

# A traceback is printed without its inside.
OPTIONS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
# From the first import to the last line.
LONGEST = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tutorial")
    write_modules(folder)
    return folder


@pytest.fixture(scope="module")
def tutorial(folder: Path) -> Iterator[None]:
    """Its modules are loaded; afterwards, nobody knows its kind of workflow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "_kinds", dict(kinds._kinds))
        load_modules(folder)
        yield
    for name in printed_modules():
        del sys.modules[name]
        delattr(workflows, name.rpartition(".")[2])


@pytest.fixture(scope="module")
def worker(broker: servers.Server, database_url: str, folder: Path) -> Iterator[servers.Server]:
    backlog.mark()
    env = {"DATABASE_URL": database_url, "TUTORIAL": str(folder)}
    server = servers.worker(folder=SCRATCH, env=env, name="tutorial", app="tests.live.tutorial_app")
    with servers.running(server, says=servers.WORKER_IS_READY):
        yield server


@pytest.fixture
def wait_until_finished(finished: Callable[[Run], bool]) -> Callable[[Run], None]:
    def wait(run: Run) -> None:
        wait_for(lambda: finished(run), "the run finishes")

    return wait


@pytest.mark.usefixtures("tutorial", "worker")
def test_every_session_says_what_is_printed(alice: User, wait_until_finished: Callable[[Run], None]) -> None:
    """As one session, from the first to the last: later ones use what earlier ones imported."""
    names: dict[str, Any] = {"wait_until_finished": wait_until_finished}
    parser = doctest.DocTestParser()
    said: list[str] = []
    for number, session in enumerate(printed_sessions()):
        test = parser.get_doctest(session, {}, f"session {number + 1}", "docs/tutorial.md", None)
        test.globs = names
        doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=said.append, clear_globs=False)

    assert not said, "".join(said)
    assert len(printed_sessions()) > 10


@pytest.mark.usefixtures("tutorial", "worker")
def test_its_workflow_does_each_step_once_though_published_five_times(
    alice: User, wait_until_finished: Callable[[Run], None]
) -> None:
    from workflows.welcome import welcome  # type: ignore[import-not-found]  # the tutorial prints it

    run = welcome(alice)
    for _ in range(4):
        publish(run)
    wait_until_finished(run)

    assert (run.state, run.published) == (Run.State.SUCCEEDED, 5)
    steps = {step.name: (step.state, step.attempts, step.stage, step.queue) for step in run.steps.all()}
    assert steps == {
        "look_up": ("succeeded", 1, 0, "sign_in"),
        "greet": ("succeeded", 1, 1, "sign_in"),
        "count": ("succeeded", 1, 1, "sign_in"),
        "finish": ("succeeded", 1, 2, "sign_in"),
    }
    for step in run.steps.all():
        wait_for(AsyncResult(step.task_id).successful, "its result is stored")
        assert AsyncResult(step.task_id).result == step.result
    message_id = f"<{run.pk}.greet@testserver>"
    assert [mail["To"] for mail in mailbox.Maildir(SCRATCH / "mail") if mail["Message-ID"] == message_id] == [
        "alice@example.com"
    ]


@pytest.mark.once
def test_a_third_workflow_takes_under_60_lines() -> None:
    lines = [line for line in printed_modules()["workflows.welcome"].splitlines() if line.strip()]

    assert len(lines) < LONGEST
