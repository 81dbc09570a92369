"""Each fault, done to a private copy that really runs, and what is there again after it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import redis

from loginwatch.chaos import mail, risk
from loginwatch.chaos.copy import WORKERS, PrivateCopy
from loginwatch.chaos.faults import Injected, inject
from loginwatch.chaos.parts import children_of
from loginwatch.chaos.schedule import Fault, Kind
from tests.waiting import wait_for

pytestmark = pytest.mark.once
# Seconds. A fault is to be seen while it lasts.
LASTS = 5.0


def children(copy: PrivateCopy, *names: str) -> set[int]:
    return {child for name in names for child in children_of(copy.parts[name].pid or 0)}


def deaths(copy: PrivateCopy) -> dict[str, int]:
    return {name: part.deaths for name, part in copy.parts.items()}


def wait_until_well(copy: PrivateCopy) -> None:
    wait_for(lambda: all(part.is_ready() for part in copy.parts.values()), "everything runs")


@contextmanager
def injecting(copy: PrivateCopy, kind: Kind) -> Iterator[None]:
    """The fault lasts some seconds, and the block runs meanwhile."""
    done: list[Injected] = []
    thread = threading.Thread(target=lambda: done.append(inject(copy, Fault(0, kind, lasts=LASTS))))
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert done[0].ended - done[0].began >= LASTS


@pytest.fixture
def copy(private_copy: PrivateCopy) -> PrivateCopy:
    wait_until_well(private_copy)
    return private_copy


def test_a_killed_pool_child_is_replaced_by_its_worker(copy: PrivateCopy) -> None:
    before, died = children(copy, *WORKERS), deaths(copy)
    assert len(before) == 4

    inject(copy, Fault(0, Kind.KILL_CHILD, target=2))

    wait_for(lambda: len(children(copy, *WORKERS) - before) == 1, "there is another")
    assert deaths(copy) == died


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        (Fault(0, Kind.KILL_WORKER, target=0), "worker-1"),
        (Fault(0, Kind.KILL_WORKER, target=1), "worker-2"),
        (Fault(0, Kind.KILL_BEAT), "beat"),
        (Fault(0, Kind.KILL_WEB, target=0), "web"),
        (Fault(0, Kind.KILL_BROKER), "broker"),
    ],
)
def test_a_killed_part_is_started_again(copy: PrivateCopy, fault: Fault, part: str) -> None:
    died, pid = copy.parts[part].deaths, copy.parts[part].pid

    inject(copy, fault)

    wait_for(lambda: copy.parts[part].deaths > died, "it has ended")
    wait_until_well(copy)
    assert copy.parts[part].pid != pid


def test_a_killed_web_worker_is_replaced_by_its_master(copy: PrivateCopy) -> None:
    before, died = children(copy, "web"), deaths(copy)

    inject(copy, Fault(0, Kind.KILL_WEB, target=1))

    wait_for(lambda: len(children(copy, "web") - before) == 1, "there is another")
    assert deaths(copy) == died


def test_a_wiped_broker_runs_on_and_is_empty(copy: PrivateCopy) -> None:
    died = deaths(copy)["broker"]
    with copy.broker_client() as client:
        client.set("something", "1")
        inject(copy, Fault(0, Kind.WIPE_BROKER))
        assert client.get("something") is None

    assert deaths(copy)["broker"] == died


def test_a_frozen_broker_takes_connections_and_says_nothing(copy: PrivateCopy) -> None:
    def is_silent() -> bool:
        url = copy.environment["REDIS_URL"]
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=0.1) as client:
            try:
                return not client.ping()
            except redis.TimeoutError:
                return True

    with injecting(copy, Kind.FREEZE_BROKER):
        wait_for(is_silent, "it is silent")

    wait_for(lambda: not is_silent(), "it speaks again")


def risk_status(copy: PrivateCopy) -> int:
    """0 where nobody answers within a moment."""
    try:
        return httpx.get(f"{copy.risk.url}/healthz", timeout=0.2).status_code
    except httpx.HTTPError:
        return 0


@pytest.mark.parametrize(("kind", "status"), [(Kind.RISK_DOWN, 0), (Kind.RISK_500, 500), (Kind.RISK_SLOW, 0)])
def test_a_risk_service_at_fault_is_well_again(copy: PrivateCopy, kind: Kind, status: int) -> None:
    with injecting(copy, kind):
        wait_for(lambda: risk_status(copy) == status, "it is at fault")

    wait_for(lambda: risk_status(copy) == 200, "it is well")


@pytest.mark.parametrize(("kind", "mood"), [(Kind.RISK_GARBAGE, risk.Mood.GARBAGE), (Kind.RISK_HUGE, risk.Mood.HUGE)])
def test_a_risk_service_spoils_its_answers_for_a_while(copy: PrivateCopy, kind: Kind, mood: risk.Mood) -> None:
    with injecting(copy, kind):
        wait_for(lambda: copy.risk.mood is mood, "it is at fault")

    assert copy.risk.mood is risk.Mood.WELL


@pytest.mark.parametrize(
    ("kind", "mood"),
    [
        (Kind.MAIL_DOWN, mail.Mood.DOWN),
        (Kind.MAIL_SLOW, mail.Mood.SLOW),
        (Kind.MAIL_REFUSING, mail.Mood.REFUSING),
    ],
)
def test_a_mail_server_at_fault_is_well_again(copy: PrivateCopy, kind: Kind, mood: mail.Mood) -> None:
    with injecting(copy, kind):
        wait_for(lambda: copy.mail.mood is mood, "it is at fault")

    assert copy.mail.mood is mail.Mood.WELL


def test_sqlite_cannot_be_restarted(copy: PrivateCopy) -> None:
    with pytest.raises(ValueError, match="SQLite"):
        inject(copy, Fault(0, Kind.RESTART_DATABASE))
