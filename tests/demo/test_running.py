"""The demo as its user meets it: everything real, started and stopped as `make run` and Ctrl-C do."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.demo.conftest import Open
from tests.demo.running_demo import FIREFOX, SAFARI, Demo, all_processes
from tests.waiting import wait_for


def test_it_says_where_it_is_and_how_to_sign_in(demo: Demo) -> None:
    said = demo.said()
    assert f"Loginwatch runs at  {demo.url}/" in said
    assert "alice@example.com, bob@example.com, admin@example.com" in said
    assert "loginwatch-demo" in said
    assert f"{demo.url}/demo/mail/" in said
    assert "Ctrl-C stops everything." in said


def test_a_sign_in_runs_through_all_steps(demo: Demo, open_browser: Open) -> None:
    browser = open_browser(demo, FIREFOX)
    run = browser.finished_run(browser.sign_in("alice"))
    assert run["state"] == "succeeded"
    assert {step["state"] for step in run["steps"]} == {"succeeded"}
    assert run["sign_in"]["verdict"]["decision"] == "allow"


def test_a_sign_in_with_another_browser_brings_a_mail_into_the_mailbox(demo: Demo, open_browser: Open) -> None:
    first = open_browser(demo, FIREFOX)
    first.finished_run(first.sign_in("bob"))
    second = open_browser(demo, SAFARI)
    run = second.finished_run(second.sign_in("bob"))
    assert run["sign_in"]["device"]["reason"] == "no_match"

    visitor = open_browser(demo, FIREFOX)
    mailbox = visitor.page("/demo/mail/")
    assert "bob@example.com" in mailbox
    (address, *_) = re.findall(r'href="(/demo/mail/[^/"]+/)"', mailbox)
    assert "someone signed in to your account" in visitor.page(address).lower()
    assert "Safari on" in visitor.page(f"{address}html/")


def test_a_worker_that_is_killed_is_started_again(demo: Demo, open_browser: Open) -> None:
    log = demo.var / "log" / "supervisord.log"
    wait_for(lambda: "success: worker entered RUNNING" in log.read_text(), "the worker counts as started")
    before = demo.processes_named("worker")
    (worker,) = (pid for pid in before if os.getpgid(pid) == pid)  # its pool's children are in its group
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: "worker runs again" in demo.said(), "the worker is started again")
    assert "worker was killed; it is started again." in demo.said()
    assert not before & demo.processes_named("worker"), "the killed one's children ended with it"

    browser = open_browser(demo, FIREFOX)
    assert browser.finished_run(browser.sign_in("alice"))["state"] == "succeeded"


def test_a_broker_that_is_killed_costs_no_run(demo: Demo, open_browser: Open) -> None:
    demo.freeze_workers()
    browser = open_browser(demo, FIREFOX)
    run_id = browser.sign_in("alice")
    (broker,) = demo.processes_named("redis")
    os.kill(broker, signal.SIGKILL)
    wait_for(lambda: "redis runs again" in demo.said(), "the broker is started again")
    demo.thaw_workers()
    assert browser.finished_run(run_id)["state"] == "succeeded"


def test_the_doctor_finds_everything_well(demo: Demo) -> None:
    wait_for(lambda: demo.run_command("python", "manage.py", "doctor").returncode == 0, "all parts are well")


def test_a_command_in_a_second_terminal_joins_without_any_setting(demo: Demo) -> None:
    answer = demo.run_command("celery", "-A", "loginwatch", "inspect", "--timeout", "20", "ping")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 node online" in answer.stdout


def test_a_second_start_is_refused_with_the_address_of_the_first(demo: Demo, tmp_path: Path) -> None:
    second = Demo(demo.var)
    second.output = tmp_path / "terminal.txt"
    second.launch()
    assert second.exit_status() == 1
    assert second.said() == (
        f"loginwatch: already runs at {demo.url} from this checkout: stop it with Ctrl-C where it was started\n"
    )
    assert demo.processes()


def test_what_only_the_owner_may_read_is_readable_by_the_owner_alone(demo: Demo) -> None:
    private = ["secret-key", "risk-api-secret", "run/demo.env", "run/broker.conf", "loginwatch.sqlite3"]
    assert {name: (demo.var / name).stat().st_mode & 0o077 for name in private} == dict.fromkeys(private, 0)


def test_a_port_that_is_taken_is_named(demo: Demo, tmp_path: Path) -> None:
    other = Demo(tmp_path / "var")
    other.port = demo.port
    other.launch()
    assert other.exit_status() == 1
    assert other.said().startswith(f"loginwatch: Port {demo.port} is in use: ")
    assert len(other.said().splitlines()) == 1


def terminate(demo: Demo) -> int:
    os.kill(demo.pid, signal.SIGTERM)
    return demo.exit_status()


@pytest.mark.parametrize(
    ("killed", "stopped"),
    [
        pytest.param(Demo.kill_everything, Demo.interrupt, id="all-killed-then-ctrl-c"),
        pytest.param(Demo.kill_launcher, terminate, id="launcher-killed-then-sigterm"),
    ],
)
def test_after_a_kill_it_starts_again_finishes_its_runs_and_stops_without_a_trace(
    tmp_path: Path, open_browser: Open, killed: Callable[[Demo], None], stopped: Callable[[Demo], int]
) -> None:
    with Demo(tmp_path / "var") as demo:
        demo.freeze_workers()
        browser = open_browser(demo, FIREFOX)
        run_id = browser.sign_in("alice")
        assert browser.run(run_id)["finished_at"] is None
        killed(demo)
        left_behind = demo.processes_of_session()

        demo.start()
        assert not set(left_behind) & set(all_processes())
        assert browser.finished_run(run_id)["state"] == "succeeded", "the session survived, and so did the run"

        assert stopped(demo) == 0
        assert demo.processes() == []
        assert demo.processes_of_session() == []
        assert not (demo.var / "run" / "demo.env").exists()
        assert demo.said().endswith("\nStopping …\nStopped.\n")
