"""Retention amid others' work: nobody waits for it, and nothing of theirs is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, transaction

from accounts.models import SignIn, User
from accounts.retention import EMPTIED
from tests.accounts.browser import COOKIE, Browser, decide, found
from tests.waiting import somebody_waits_for_a_lock, wait_for
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.old_runs import KEPT, LONG_AGO, MakeRun, ago, is_there, prune
from tests.workflows.old_runs import make_old as make_old  # the fixture
from workflows import runs
from workflows.models import Run

Elsewhere = Callable[[Callable[[], Any]], Future[Any]]
# Far longer than anything here takes, and far shorter than the tests wait.
LOCK_TIMEOUT = "20s"


@pytest.fixture
def elsewhere(transactional_db: None) -> Iterator[Elsewhere]:
    """Does something in another thread, by a connection of its own that does not wait long for a lock."""
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite all that write wait for each other, for a batch at most")

    def do_connected(do: Callable[[], Any]) -> Any:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
            return do()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        yield lambda do: pool.submit(do_connected, do)


def test_a_sign_in_amid_a_batch_waits_for_nothing_and_is_known_and_stays(
    elsewhere: Elsewhere, make_old: MakeRun, alice: User
) -> None:
    browser = Browser()
    old = decide(browser.sign_in(alice))
    SignIn.objects.filter(pk=old.pk).update(created_at=ago(KEPT + 1))
    Run.objects.filter(sign_in=old).update(state=Run.State.SUCCEEDED)
    Session.objects.update(expire_date=ago(1))

    with transaction.atomic():
        deleted = prune()
        assert (deleted[EMPTIED], deleted["sessions.Session"]) == (1, 1)
        signed_in = elsewhere(lambda: decide(browser.sign_in(alice))).result()

    assert found(signed_in) == COOKIE
    assert is_there(Run.objects.get(sign_in=signed_in))


def test_two_at_once_share_the_work(elsewhere: Elsewhere, make_old: MakeRun) -> None:
    first = make_old(LONG_AGO + 1)

    with transaction.atomic():
        assert prune()["workflows.Run"] == 1
        second = elsewhere(make_old).result()
        assert elsewhere(prune).result()["workflows.Run"] == 1

    assert not is_there(first)
    assert not is_there(second)


def test_a_run_that_is_reopened_at_this_very_moment_stays(elsewhere: Elsewhere, make_old: MakeRun) -> None:
    run = make_old(state=Run.State.FAILED)

    with transaction.atomic():
        runs.reopen_failed_runs()
        pruning = elsewhere(prune)
        wait_for(somebody_waits_for_a_lock, "retention has found the run, and waits for it")

    assert not pruning.result()
    assert is_there(run)
