"""The schedule of faults: the same for a seed, complete when there is time, and never two at once in one part."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from loginwatch.chaos.schedule import FULL_SECONDS, LEAST_SECONDS, Fault, Kind, schedule

pytestmark = pytest.mark.once

RISK = {kind for kind in Kind if kind.name.startswith("RISK")}
MAIL = {kind for kind in Kind if kind.name.startswith("MAIL")}
BROKER = {Kind.WIPE_BROKER, Kind.KILL_BROKER, Kind.FREEZE_BROKER}
WORKERS = {Kind.KILL_CHILD, Kind.KILL_WORKER}
DATABASE = {Kind.RESTART_DATABASE}
PARTS = (RISK, MAIL, BROKER, WORKERS, DATABASE, {Kind.KILL_BEAT}, {Kind.KILL_WEB})
SEEDS = range(50)


def full(seed: int = 7) -> list[Fault]:
    return schedule(seed=seed, seconds=300, engine="postgresql")


def test_the_same_seed_gives_the_same_schedule_and_another_another() -> None:
    assert full(7) == full(7)
    assert full(7) != full(8)


def test_a_full_schedule_has_everything() -> None:
    counts = Counter(fault.kind for fault in full())

    assert counts == {
        Kind.KILL_CHILD: 6,
        Kind.KILL_WORKER: 4,
        Kind.KILL_BEAT: 1,
        Kind.KILL_WEB: 2,
        Kind.WIPE_BROKER: 3,
        Kind.KILL_BROKER: 2,
        Kind.FREEZE_BROKER: 1,
        Kind.RESTART_DATABASE: 2,
        **dict.fromkeys(RISK | MAIL, 1),
    }


def test_full_faults_last_as_long_as_they_should() -> None:
    for fault in full():
        if fault.kind is Kind.FREEZE_BROKER:
            assert fault.lasts == 20
        elif fault.kind in RISK | MAIL:
            assert 5 <= fault.lasts <= 15
        else:
            assert fault.lasts == 0


def test_the_web_is_killed_once_as_a_worker_and_once_as_the_master() -> None:
    assert {fault.target for fault in full() if fault.kind is Kind.KILL_WEB} == {0, 1}


def test_sqlite_has_no_server_that_could_be_restarted() -> None:
    faults = schedule(seed=7, seconds=300, engine="sqlite")

    assert {fault.kind for fault in faults} == set(Kind) - DATABASE


@pytest.mark.parametrize("seconds", [LEAST_SECONDS, 30, 60, FULL_SECONDS - 1, FULL_SECONDS, 900])
@pytest.mark.parametrize("short", [False, True])
def test_faults_of_one_part_come_one_after_the_other_within_the_time(seconds: float, short: bool) -> None:
    for seed in SEEDS:
        faults = schedule(seed=seed, seconds=seconds, engine="postgresql", short=short)
        assert faults == sorted(faults, key=lambda fault: fault.at)
        assert faults[0].at >= 0.05 * seconds - 0.1
        assert all(fault.at + fault.lasts <= 0.95 * seconds for fault in faults)
        for part in PARTS:
            own = [fault for fault in faults if fault.kind in part]
            assert all(one.at + one.lasts < other.at for one, other in pairwise(own))


def test_a_short_schedule_has_something_for_every_part_and_is_quick() -> None:
    for seed in SEEDS:
        faults = schedule(seed=seed, seconds=30, engine="postgresql")
        kinds = {fault.kind for fault in faults}
        assert {*WORKERS, Kind.WIPE_BROKER, Kind.KILL_BROKER, *DATABASE} <= kinds
        assert kinds & RISK and kinds & MAIL
        assert all(fault.lasts <= 5 for fault in faults)
        assert len(faults) < len(full()) / 2


def test_too_little_time_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        schedule(seed=7, seconds=LEAST_SECONDS - 1, engine="sqlite")
