"""`manage.py chaos` as a user runs it: a short trial, refusals, and Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from loginwatch.demo.environment import mark_of
from loginwatch.demo.leftovers import marked_processes
from tests.chaos.test_report import GOOD, LOST
from tests.servers import CHECKOUT
from tests.waiting import wait_for

TRIAL_SECONDS = 420.0


@contextmanager
def chaos(folder: Path, *options: str, errors: Path) -> Iterator[subprocess.Popen[str]]:
    with errors.open("w") as stderr:
        command = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "manage.py", "chaos", "--keep", str(folder), *options],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    with command:
        try:
            yield command
        finally:
            command.terminate()


def test_a_short_trial_loses_and_doubles_nothing(tmp_path: Path) -> None:
    folder, errors = tmp_path / "copy", tmp_path / "errors"
    options = ("--sign-ins", "40", "--seed", "1", "--rate", "2", "--database", connection.vendor)

    with chaos(folder, *options, errors=errors) as command:
        table, _ = command.communicate(timeout=TRIAL_SECONDS)

    assert command.returncode == 0, table + errors.read_text()
    figures = {line[2:33].strip(): line[33:].strip() for line in table.splitlines() if line.startswith("  ")}
    assert figures["sign-ins answered"] == "40 of 40"
    for nothing in ("runs lost", "effects missing", "effects doubled", "5xx while the database was up"):
        assert figures[nothing] == "0"
    assert figures["worst sign-in"].endswith(" ms")
    assert figures["last fault to last run"].endswith(" s")
    assert "Redis wiped" in table
    assert "signed in  Redis wiped" in errors.read_text()
    assert (folder / "log" / "worker-1.log").exists()


@pytest.mark.once
def test_an_interrupt_ends_everything(tmp_path: Path) -> None:
    folder, errors = tmp_path / "copy", tmp_path / "errors"

    with chaos(folder, "--sign-ins", "80", "--rate", "4", "--database", "sqlite", errors=errors) as command:
        wait_for(lambda: "signed in" in errors.read_text(), "the first fault", seconds=120)
        command.send_signal(signal.SIGINT)
        command.send_signal(signal.SIGINT)
        assert command.wait(timeout=60) == 130

    assert marked_processes(mark_of(folder)) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rate": 0.0}, "--rate must be above 0"),
        ({"rate": 4.0, "sign_ins": 79}, "--sign-ins must be at least 80 at 4 a second"),
        ({"keep": CHECKOUT}, "must be a new or an empty folder"),
        ({"keep": Path("/dev/null/folder")}, "cannot be used"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(options: dict[str, object], says: str) -> None:
    with pytest.raises(CommandError, match=says) as refusal:
        call_command("chaos", **options)

    assert "\n" not in str(refusal.value)


def test_a_trial_that_has_not_passed_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = replace(GOOD, audit=replace(GOOD.audit, lost=LOST))
    monkeypatch.setattr("loginwatch.management.commands.chaos.run_trial", lambda plan, tell: lost)

    with pytest.raises(SystemExit) as end:
        call_command("chaos", "--json", "--database", "sqlite")

    assert end.value.code == 1
    assert json.loads(capsys.readouterr().out)["passed"] is False
