"""Every shape of canvas does on our result backend what it does on the stock one, but for what that one loses.

Each backend has a worker of its own that does one thing at a time, so that one can tell when it has done everything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from celery import chord
from celery._state import get_current_app
from django.utils import timezone

from tests import servers
from tests.environment import SCRATCH
from tests.live import shapes
from tests.live.plain_tasks import OURS, STOCK, Tasks, make_app
from tests.live.plain_tasks import broker as open_broker
from tests.live.shapes import Canvas, Failing, Shape
from tests.waiting import wait_for
from workflows.models import Chord

SECONDS = 90
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WAITS_FOR_EVER = "waits for ever"
# The apps whose tables are emptied after each test.
pytestmark = pytest.mark.django_db(transaction=True, available_apps=["django_celery_results", "workflows"])


@dataclass(frozen=True)
class Outcome:
    value: str
    said: list[str]


class Site:
    """A worker, and the app that publishes to it."""

    def __init__(self, broker_url: str, result_backend: str) -> None:
        self.app = make_app(broker_url, result_backend)
        self.tasks = Tasks(self.app)
        self.broker = open_broker(broker_url)

    def publish(self, make: Callable[[Tasks], Canvas]) -> Any:
        before = get_current_app()
        self.app.set_current()
        try:
            return make(self.tasks).apply_async()
        finally:
            before.set_current()

    def outcome(self, result: Any) -> Outcome:
        """What came of it, once the worker has nothing left to do."""
        self.finish()
        value = repr(result.get(timeout=SECONDS, propagate=False)) if result.ready() else WAITS_FOR_EVER
        said = sorted(UUID.sub("<id>", words) for words in map(str, self.broker.lrange("said", 0, -1)))
        self.broker.delete("said")
        return Outcome(UUID.sub("<id>", value), said)

    def finish(self) -> None:
        """Wait until nothing was begun between two markers: nothing was queued when the second one was published."""
        begun = None
        while begun != (begun := self._begun_at_a_marker()):
            pass

    def _begun_at_a_marker(self) -> int:
        markers = int(self.broker.incr("markers"))
        begun: int = self.tasks.marker.delay().get(timeout=SECONDS, interval=0.01)
        return begun - markers


@contextmanager
def running_site(number: int, backend: str, database_url: str, *options: str) -> Iterator[Site]:
    url = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{number}").geturl()
    env = {"PLAIN_BROKER": url, "PLAIN_BACKEND": backend, "DATABASE_URL": database_url}
    celery = (str(servers.BIN / "celery"), "-A", "tests.live.plain_tasks")
    alone = ("--without-mingle", "--without-gossip")
    command = (*celery, "worker", "-n", f"plain{number}@%h", "-l", "INFO", *alone, *options)
    worker = servers.Server(*command, log=SCRATCH / f"plain{number}.log", env=env)
    site = Site(url, backend)
    with site.app, site.broker, servers.running(worker, says=servers.WORKER_IS_READY):
        yield site


@pytest.fixture(scope="module")
def stock(broker: servers.Server, database_url: str) -> Iterator[Site]:
    with running_site(1, STOCK, database_url, "-P", "solo") as site:
        yield site


@pytest.fixture(scope="module")
def ours(broker: servers.Server, database_url: str) -> Iterator[Site]:
    with running_site(2, OURS, database_url, "-P", "solo") as site:
        yield site


@pytest.fixture(scope="module")
def busy(broker: servers.Server, database_url: str) -> Iterator[Site]:
    """Ours, with two processes at once."""
    with running_site(3, OURS, database_url, "-c", "2") as site:
        yield site


def on_both(make: Callable[[Tasks], Canvas], stock: Site, ours: Site) -> tuple[Outcome, Outcome]:
    published = [(site, site.publish(make)) for site in (stock, ours)]
    first, second = [site.outcome(result) for site, result in published]
    return first, second


@pytest.mark.parametrize("shape", shapes.VALUES, ids=str)
def test_a_canvas_has_the_value_that_it_has_on_the_stock_backend(shape: Shape, stock: Site, ours: Site) -> None:
    on_stock, on_ours = on_both(shape.make, stock, ours)

    assert on_ours == on_stock
    assert on_ours.value == repr(shape.value)
    assert not Chord.objects.exists()


@pytest.mark.parametrize("failing", shapes.FAILING, ids=str)
def test_a_failure_is_told_as_often_and_in_the_same_words(failing: Failing, stock: Site, ours: Site) -> None:
    on_stock, on_ours = on_both(told(failing), stock, ours)

    assert on_ours == on_stock
    assert "Error(" in on_ours.value
    assert on_ours.said.count("counted") == failing.calls
    assert not Chord.objects.exists()


@pytest.mark.parametrize("shape", shapes.LOST, ids=str)
def test_a_body_that_the_stock_backend_never_calls_is_called(shape: Shape, stock: Site, ours: Site) -> None:
    on_stock, on_ours = on_both(shape.make, stock, ours)

    assert on_stock.value == WAITS_FOR_EVER
    assert on_ours.value == repr(shape.value)
    assert not Chord.objects.exists()


@pytest.mark.parametrize("failing", shapes.UNTOLD, ids=str)
def test_a_chord_is_told_of_a_member_that_is_a_failed_chord(failing: Failing, stock: Site, ours: Site) -> None:
    on_stock, on_ours = on_both(told(failing), stock, ours)

    assert on_stock == Outcome(WAITS_FOR_EVER, [])
    assert "Error(" in on_ours.value
    assert on_ours.said.count("counted") == failing.calls
    assert not Chord.objects.exists()


def told(failing: Failing) -> Callable[[Tasks], Canvas]:
    """With both kinds of error callback."""
    return lambda t: failing.make(t, lambda canvas: canvas.on_error(t.count.s()).on_error(t.note.s()))


def test_chords_at_once_all_end_once(busy: Site) -> None:
    """Members end at the same time in two processes."""
    chords = [busy.publish(lambda t: chord([t.same.s(i) for i in range(10)], t.total.s())) for _ in range(10)]

    assert [result.get(timeout=SECONDS, interval=0.01) for result in chords] == [45] * 10
    wait_for(lambda: not Chord.objects.exists(), "all are done with")


@pytest.mark.parametrize("point", ["member result: stored", "body chord: before publish", "body chord: published"])
def test_what_a_killed_process_leaves_is_finished_by_the_sweep(point: str, busy: Site) -> None:
    busy.broker.set("die at", point)
    result = busy.publish(
        lambda t: chord([_named(t.same.s(1), "member")], _named(t.total.s(), "body").on_error(t.count.s()))
    )
    wait_for(lambda: busy.broker.getdel("died at"), "the process is killed")
    Chord.objects.filter(publish_at__gt=timezone.now()).update(publish_at=timezone.now())  # its claim runs out

    backend: Any = busy.app.backend
    assert backend.publish_due_chords() == 1

    assert result.get(timeout=SECONDS, interval=0.01) == 1
    assert not Chord.objects.exists()
    assert not busy.broker.exists("said")


def _named(task: Canvas, step: str) -> Canvas:
    """With an id as those of a run's tasks."""
    return task.set(task_id=f"{uuid4()}.{step}")
