"""A worker whose children die where it was planned, on the test database, with all that a run needs around it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from celery import current_app
from django.core.cache import cache
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from loginwatch.chaos.listening import spare_port
from tests import servers
from tests.accounts.mail_server import MailServer, mail_server
from tests.crashes import plans
from tests.crashes.patience import change_patience
from tests.crashes.trial import Trial
from tests.live.conftest import database_url as database_url  # the fixture
from tests.workflows.risk_service import DENY, RiskService, risk_service
from workflows import publishing


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the servers' logs, and of the plans."""
    folder = tmp_path_factory.mktemp("crashes")
    (folder / "plans").mkdir()
    return folder


@pytest.fixture(scope="module")
def database(database_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The test database, for all tests of a module as one; it is empty afterwards."""
    with django_db_blocker.unblock():
        cache.clear()  # what recovery saw of another broker
        yield database_url
        cache.clear()  # a table that is no model's, which flush leaves as it is
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(scope="module")
def broker_url(folder: Path) -> Iterator[str]:
    """A broker that no other test knows; this process publishes there as well."""
    port = spare_port()
    with (
        servers.running(servers.broker(port=port, folder=folder), says=servers.BROKER_IS_READY),
        pytest.MonkeyPatch.context() as patch,
    ):
        url = f"redis://127.0.0.1:{port}/0"
        patch.setattr(current_app.conf, "broker_write_url", url)
        # Celery keeps the one that it made first: now it is to make another, and afterwards again.
        patch.setattr(current_app.amqp, "_producer_pool", None)
        publishing.breaker.close()
        change_patience(patch.setattr)
        yield url


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def risk() -> Iterator[RiskService]:
    with risk_service() as service:
        service.will_say(DENY)
        yield service


@pytest.fixture(scope="module")
def env(folder: Path, database: str, broker_url: str, mail: MailServer, risk: RiskService) -> dict[str, str]:
    """What the site's processes are told."""
    return {
        "DATABASE_URL": database,
        "REDIS_URL": broker_url,
        "EMAIL_URL": f"smtp://127.0.0.1:{mail.port}",
        "RISK_API_URL": risk.url,
        "LOGINWATCH_ENFORCE": "enforce",
        plans.FOLDER: str(folder / "plans"),
    }


@pytest.fixture(scope="module")
def worker(folder: Path, env: dict[str, str]) -> Iterator[servers.Server]:
    """A worker with beat in it. It has four children, so that some work while others are born."""
    command = (str(servers.BIN / "celery"), "-A", "tests.crashes.app", "worker", "-l", "INFO", "-c", "4")
    beat = ("-B", "-s", str(folder / "schedule"))
    # Alone at its broker, it need not look for others for a second.
    server = servers.Server(*command, *beat, "--without-mingle", log=folder / "worker.log", env=env)
    with servers.running(server, says=servers.WORKER_IS_READY):
        yield server
    with suppress(ProcessLookupError):  # its children outlive a worker that died alone
        server.signal(signal.SIGKILL)


@pytest.fixture(scope="module")
def site_url(folder: Path, env: dict[str, str]) -> Iterator[str]:
    port = spare_port()
    url = f"http://127.0.0.1:{port}"
    # Loaded before its workers are born, of which each sign-in costs one.
    command = (str(servers.BIN / "gunicorn"), "--preload", "tests.crashes.web")
    web = servers.Server(*command, log=folder / "web.log", env={**env, "PORT": str(port), "SITE_URL": url})
    with servers.running(web, says="Listening at"):
        yield url


@pytest.fixture(scope="module")
def trial(folder: Path, mail: MailServer, risk: RiskService, database: str, password_hash: str) -> Trial:
    return Trial(folder / "plans", mail, risk, password_hash)
