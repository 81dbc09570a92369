"""Ids of runs follow each other in time, and nobody can guess one."""

from __future__ import annotations

import time
from uuid import RFC_4122

from workflows.run_ids import new_run_id


def test_an_id_is_of_version_7_and_says_when_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    made = new_run_id()
    after = time.time_ns() // 1_000_000

    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after


def test_later_ones_come_behind() -> None:
    ids = []
    for _ in range(3):
        ids.append(new_run_id())
        time.sleep(0.002)  # a millisecond is the least that tells two apart

    assert ids == sorted(ids)


def test_no_two_are_the_same() -> None:
    assert len({new_run_id() for _ in range(10_000)}) == 10_000
