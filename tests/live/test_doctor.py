"""What the doctor finds of real workers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from django.core.management import call_command

from tests import servers
from tests.waiting import wait_for
from workflows.backlog import lengths

WITHOUT_ONE = "system,risk,mail,sign_in,bulk"


@pytest.mark.usefixtures("empty_broker")
def test_a_queue_that_no_worker_serves_is_a_fault(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = servers.worker(folder=tmp_path, env={"DATABASE_URL": database_url}, queues=WITHOUT_ONE)
    with servers.running(worker, says=servers.WORKER_IS_READY):
        wait_for(lambda: not any(lengths().values()), "it has done what it does at its start")
        _, queues = wait_for(lambda: said_of_one_that_answers(capsys), "the worker answers")
    assert "no worker serves under_way; nothing waits" in queues
    assert "--queues under_way" in queues


@pytest.mark.usefixtures("empty_broker", "worker")
def test_a_worker_without_queues_of_its_own_serves_all(capsys: pytest.CaptureFixture[str]) -> None:
    wait_for(lambda: not any(lengths().values()), "it has done what it does at its start")

    _, queues = wait_for(lambda: said_of_one_that_answers(capsys), "the worker answers")

    assert "all served, nothing waits" in queues


def said_of_one_that_answers(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Two lines; none where the worker had no time to answer."""
    with suppress(SystemExit):  # a part is at fault
        call_command("doctor", "workers", "queues")
    lines = capsys.readouterr().out.splitlines()
    return lines if lines[0].startswith("ok") else []
