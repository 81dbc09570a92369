"""A real broker and a real worker process on the test database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from pytest_django import Settings

from accounts.models import User
from tests import servers
from tests.environment import SCRATCH
from tests.workflows.risk_service import RiskService, risk_service
from workflows import backlog, publishing
from workflows.models import Run


@pytest.fixture(scope="session")
def database_url(django_db_setup: None) -> str:
    """The test database, as a process of its own is told of it."""
    from django.db import connection

    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="session")
def broker() -> Iterator[servers.Server]:
    port = urlsplit(os.environ["REDIS_URL"]).port
    assert port is not None
    server = servers.broker(port=port, folder=SCRATCH)
    with servers.running(server, says=servers.BROKER_IS_READY):
        yield server


@pytest.fixture
def empty_broker(broker: servers.Server, transactional_db: None) -> None:
    """It holds nothing, and recovery knows that nothing was lost."""
    import redis

    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.flushall()
    backlog.mark()
    cache.delete(backlog.OBSERVATIONS)


@pytest.fixture(scope="module")
def worker(broker: servers.Server, database_url: str) -> Iterator[servers.Server]:
    backlog.mark()
    server = servers.worker(folder=SCRATCH, env={"DATABASE_URL": database_url})
    with servers.running(server, says=servers.WORKER_IS_READY):
        yield server


@pytest.fixture(autouse=True)
def patient_publishing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process publishes what it is told to, however busy the machine is: no recovery runs beside these tests."""
    settings.PUBLISH_TIMEOUT = 5.0
    monkeypatch.setattr(publishing, "SLOW", 60.0)


@pytest.fixture
def risk() -> Iterator[RiskService]:
    """Listens where the worker was told that the risk service is."""
    port = urlsplit(os.environ["RISK_API_URL"]).port
    assert port is not None
    with risk_service(port) as service:
        yield service


@pytest.fixture
def alice(transactional_db: None, make_user: Callable[..., User]) -> User:
    """Committed, so that the worker sees her."""
    return make_user("alice")


@pytest.fixture
def finished() -> Callable[[Run], bool]:
    def is_finished(run: Run) -> bool:
        run.refresh_from_db()
        return run.is_finished

    return is_finished
