"""The cache in the database: what it keeps, for how long, and what a write costs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from loginwatch.tasks import clear_cache

LATER = timedelta(minutes=2)


@pytest.fixture
def committed(transactional_db: None) -> Iterator[None]:
    yield
    cache.clear()


@pytest.mark.parametrize("value", [42, "text", [1.5, None], {"a": (1, 2)}])
def test_what_is_set_is_got_until_it_expires(db: None, value: object) -> None:
    cache.set("key", value, timeout=60)

    assert cache.get("key") == value
    with time_machine.travel(timezone.now() + LATER):
        assert cache.get("key") is None


def test_a_later_value_takes_the_place_of_an_earlier_one(db: None) -> None:
    cache.set("key", 1)
    cache.set("key", 2)

    assert cache.get("key") == 2


def test_what_is_there_is_not_added_until_it_has_expired(db: None) -> None:
    assert cache.add("key", 1, timeout=60)
    assert not cache.add("key", 2, timeout=60)
    assert cache.get("key") == 1

    with time_machine.travel(timezone.now() + LATER):
        assert cache.add("key", 3, timeout=60)
        assert cache.get("key") == 3


def test_what_has_no_timeout_stays(db: None) -> None:
    cache.set("key", 1, timeout=None)

    with time_machine.travel(timezone.now() + timedelta(days=10_000)):
        assert cache.get("key") == 1
        assert not cache.add("key", 2)
        assert clear_cache() == 0


def test_what_is_touched_lives_longer(db: None) -> None:
    cache.set("key", 1, timeout=60)
    cache.touch("key", 600)

    with time_machine.travel(timezone.now() + LATER):
        assert cache.get("key") == 1


def test_only_what_has_expired_is_cleared(db: None) -> None:
    cache.set("old", 1, timeout=60)
    cache.set("young", 1, timeout=600)

    with time_machine.travel(timezone.now() + LATER):
        assert clear_cache() == 1
        assert cache.get("young") == 1


@pytest.mark.parametrize("write", [cache.set, cache.add])
def test_a_write_is_one_statement(db: None, write: object) -> None:
    assert callable(write)
    with CaptureQueriesContext(connection) as queries:
        write("key", 1)

    assert len(queries) == 1


def test_of_many_that_add_at_once_one_does(committed: None) -> None:
    def add(number: int) -> bool:
        try:
            return cache.add("lock", number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=8) as pool:
        added = list(pool.map(add, range(40)))

    assert sum(added) == 1
    assert cache.get("lock") == added.index(True)
