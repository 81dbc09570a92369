"""Handing a run to a broker that does not take it: bounded, and nothing is lost."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from celery import current_app
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import SignIn, User
from tests.waiting import wait_for
from workflows import publishing
from workflows.local_breaker import LocalBreaker
from workflows.models import Run
from workflows.publishing import publish

# Celery as it comes waits for more than a minute for a broker that hangs; this is far from that, and from the budget.
FAR_LESS_SECONDS = 5.0


@contextmanager
def broker_that(answers: bytes | None) -> Iterator[list[socket.socket]]:
    """The app's broker now accepts connections and sends ``answers`` to whatever is said, or nothing at all.

    Yields the connections that it accepted.
    """
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        accepted: list[socket.socket] = []

        def serve() -> None:
            while not ended.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                accepted.append(connection)
                if answers is not None:
                    threading.Thread(target=_answer, args=(connection, answers), daemon=True).start()

        thread = threading.Thread(target=serve)
        thread.start()
        before = current_app.conf.broker_write_url
        current_app.conf.update(broker_write_url=f"redis://127.0.0.1:{server.getsockname()[1]}/0")
        try:
            yield accepted
        finally:
            current_app.conf.update(broker_write_url=before)
            ended.set()
            thread.join()
            for connection in accepted:
                connection.close()


def _answer(connection: socket.socket, answers: bytes) -> None:
    try:
        while connection.recv(65536):
            connection.sendall(answers)
    except OSError:
        return  # the test is over


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(None, id="it hangs"),
        pytest.param(b"-ERR unknown\r\n", id="it answers errors"),
        pytest.param(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", id="it is out of memory"),
        pytest.param(b"-READONLY You can't write against a read only replica.\r\n", id="it is read-only"),
        pytest.param(b"-NOAUTH Authentication required.\r\n", id="it wants a password"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="it is no broker"),
    ],
)
def test_a_broker_that_takes_nothing_leaves_the_run_queued(run: Run, answers: bytes | None) -> None:
    with broker_that(answers) as accepted:
        began = time.monotonic()

        assert publish(run) is False

        assert time.monotonic() - began < FAR_LESS_SECONDS
        wait_for(lambda: accepted, "it was asked")
    run.refresh_from_db()
    assert (run.state, run.published) == (Run.State.QUEUED, 0)


def test_a_broker_that_hangs_is_asked_once_and_then_left_alone_for_a_while(make_run: Callable[..., Run]) -> None:
    with broker_that(None) as accepted:
        assert [publish(make_run()) for _ in range(5)] == [False] * 5
        wait_for(lambda: accepted, "it was asked")

    assert len(accepted) == 1


def test_a_broker_that_is_slow_to_take_one_is_left_alone_for_a_while(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_all = publishing.publish_all
    monkeypatch.setattr(publishing, "SLOW", 0.01)

    def take_slowly(taken: list[Run]) -> list[UUID]:
        time.sleep(0.02)
        return publish_all(taken) or [run.pk for run in taken]

    monkeypatch.setattr(publishing, "publish_all", take_slowly)

    assert publish(run)
    assert publishing.breaker.is_open


def test_a_breaker_is_open_for_its_time_after_each_trip() -> None:
    now = 100.0
    breaker = LocalBreaker(5.0, clock=lambda: now)
    assert not breaker.is_open

    breaker.trip()
    now = 104.9
    assert breaker.is_open
    now = 105.0
    assert not breaker.is_open


def test_a_broker_that_refuses_does_not_hold_up_a_sign_in(
    alice: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    client = Client()
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        answer = client.post("/accounts/login/", {"login": "alice", "password": "correct-horse-battery"})

    assert len(callbacks) == 1
    assert (answer.status_code, answer.headers["Location"]) == (302, "/security/")
    run = Run.objects.get(sign_in=SignIn.objects.get())
    assert (run.state, run.published) == (Run.State.QUEUED, 0)
    assert client.get("/security/").status_code == 200
