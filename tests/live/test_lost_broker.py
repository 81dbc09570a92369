"""What recovery learns from a real broker: how far its queue has got, and that it lost what it held."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import redis
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.test_publishing import broker_that
from workflows import backlog
from workflows.models import Run
from workflows.publishing import publish
from workflows.recovery import recover_runs


@pytest.fixture
def client(empty_broker: None) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        yield client
        client.flushall()


def test_a_wiped_broker_is_given_all_runs_again_and_once(client: redis.Redis, make_run: Callable[..., Run]) -> None:
    for _ in range(3):
        publish(make_run())
    client.flushall()

    assert [recover_runs(), recover_runs()] == [3, 0]
    assert client.llen("sign_in") == 3


def test_a_broker_that_lost_nothing_is_given_nothing(client: redis.Redis, make_run: Callable[..., Run]) -> None:
    publish(make_run())

    assert recover_runs() == 0
    assert client.llen("sign_in") == 1


def test_the_head_of_the_queue_is_its_oldest_message(client: redis.Redis, make_run: Callable[..., Run]) -> None:
    before = timezone.now()
    publish(make_run())
    after = timezone.now()
    publish(make_run())

    assert before <= backlog.look().heads["sign_in"] <= after
    client.rpop("sign_in")
    assert backlog.look().heads["sign_in"] > after


def test_all_has_left_an_empty_queue(client: redis.Redis) -> None:
    before = timezone.now()

    assert backlog.look().heads["sign_in"] >= before


def test_a_message_of_an_older_version_may_have_waited_for_long(client: redis.Redis) -> None:
    client.lpush("sign_in", '{"body": "", "headers": {}}')

    assert timezone.now() - backlog.look().heads["sign_in"] > timedelta(minutes=59)


@pytest.mark.parametrize("answers", [pytest.param(None, id="it hangs"), pytest.param(b"-ERR no\r\n", id="it is ill")])
def test_recovery_waits_for_a_broker_that_does_not_answer(
    answers: bytes | None, make_run: Callable[..., Run], settings: Settings
) -> None:
    settings.PUBLISH_TIMEOUT = 0.1  # as in the product
    run = make_run()
    Run.objects.filter(pk=run.pk).update(recover_at=timezone.now())

    with broker_that(answers):
        assert recover_runs() == 0

    run.refresh_from_db()
    assert (run.state, run.published, run.stalls) == (Run.State.QUEUED, 0, 0)


def test_of_several_recoveries_at_once_each_run_is_published_by_one(
    client: redis.Redis, make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.recovery.BATCH", 5)
    for _ in range(60):
        make_run()
    Run.objects.update(recover_at=timezone.now())

    def recover() -> int:
        try:
            return recover_runs()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=4) as pool:
        recovered = [future.result() for future in [pool.submit(recover) for _ in range(4)]]

    assert sum(recovered) == client.llen("sign_in") == 60
    assert not Run.objects.exclude(published=1).exists()
