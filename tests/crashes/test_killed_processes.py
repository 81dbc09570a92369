"""A process is killed in each window of a run, and the run still ends right. All windows are tried at once."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

import pytest
import redis

from accounts.models import SignIn
from tests import servers
from tests.crashes.outcome import Outcome
from tests.crashes.trial import Trial, sign_in_and_crash
from tests.crashes.windows import UNDONE, WINDOWS, Start, Window
from tests.waiting import wait_for
from workflows.models import Run

# Their work is done before the first of them, by the fixture; they only read.
pytestmark = [pytest.mark.django_db, pytest.mark.alone]

# Seconds for all runs together, on a machine that has other things to do.
PATIENCE = 300.0
MOST_TRIES = 3


@pytest.fixture(scope="module")
def runs(trial: Trial, worker: servers.Server, site_url: str, broker_url: str) -> dict[Window, list[Run]]:
    """The runs of each window, when all have ended, or none will any more: one, and those before that missed it."""
    runs = begin_while_servers_are_away(trial)
    runs |= {window: trial.begin(window) for window in started(Start.PUBLISHED)}
    for window in started(Start.UNPUBLISHED):
        # One by one: a recovery has many runs in its hands, and would die at the first of them.
        runs[window] = trial.begin(window)
        wait_for(partial(trial.has_died, runs[window]), f"{window}")
    for window in started(Start.WEB):
        user = sign_in_and_crash(trial, site_url, window)
        runs[window] = Run.objects.get(sign_in__user=user)
    limit = time.monotonic() + PATIENCE
    tries = {window: tries_at(window, run, trial, broker_url, limit) for window, run in runs.items()}
    wait_for(lambda: is_idle(broker_url), "no message is left that could do a thing twice", seconds=PATIENCE)
    return tries


@pytest.fixture(scope="module")
def undone(trial: Trial, site_url: str) -> list[SignIn]:
    """What there is of a sign-in whose process is killed in its transaction."""
    return list(SignIn.objects.filter(user=sign_in_and_crash(trial, site_url, UNDONE)))


def started(start: Start) -> list[Window]:
    return [window for window in WINDOWS if window.start is start]


def begin_while_servers_are_away(trial: Trial) -> dict[Window, Run]:
    """They come back when all mails have been handed over, and everybody has died who was to die at a retry."""
    trial.servers_are_away()
    runs = {window: trial.begin(window) for window in started(Start.AWAY)}
    retried = [run for window, run in runs.items() if "retry" in window.point]
    wait_for(lambda: all(map(trial.has_been_handed_over, runs.values())), "the mails are handed over", seconds=PATIENCE)
    wait_for(lambda: all(map(trial.has_died, retried)), "processes die at a retry", seconds=PATIENCE)
    trial.servers_are_back()
    return runs


def tries_at(window: Window, run: Run, trial: Trial, broker_url: str, limit: float) -> list[Run]:
    """The run, when it has ended. One that has not by the limit is the business of its own test.

    Where others have to die first, the worker's news of it may come too late for anybody to come to the window: there
    is another try then, and both have to end right.
    """
    tries = [run]

    def has_missed() -> bool:
        return bool(window.after) and trial.is_over(tries[-1]) and is_idle(broker_url)

    def is_decided() -> bool:
        return trial.has_ended(tries[-1]) or has_missed() or time.monotonic() > limit

    while True:
        wait_for(is_decided, f"{window}", seconds=2 * PATIENCE)
        if trial.has_died(tries[-1]) or not has_missed() or len(tries) == MOST_TRIES:
            return tries
        tries.append(trial.begin(window))


def is_idle(broker_url: str) -> bool:
    """Whether nothing waits in the queues of the runs, and workers hold nothing that they have not begun."""
    with redis.Redis.from_url(broker_url) as client:
        return not any(map(client.llen, ("sign_in", "under_way", "mail", "risk"))) and not client.hlen("unacked")


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_the_run_ends_right(window: Window, trial: Trial, runs: dict[Window, list[Run]]) -> None:
    assert trial.has_died(runs[window][-1]), f"nobody came to this point: {trial.outcome(runs[window][-1])}"
    for run in runs[window]:
        assert trial.outcome(run) == replace(Outcome(), mails=[window.mails])


def test_a_sign_in_whose_process_is_killed_before_its_commit_has_not_happened(undone: list[SignIn]) -> None:
    assert undone == []
