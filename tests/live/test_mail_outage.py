"""The mail server is away: a few mails find out, no run waits for it, and what is owed goes out when it is back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from accounts.models import Notice
from loginwatch.chaos.mail import MailServer, Mood
from tests import servers
from tests.environment import SCRATCH
from tests.waiting import wait_for
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.risk_service import RiskService
from workflows import backlog, periodic
from workflows.breakers import OPENS_AFTER
from workflows.mailing import MAIL_SERVER
from workflows.models import Alert, Attempt, Breaker, Run
from workflows.publishing import publish
from workflows.steps import Name

RUNS = 20


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def worker(empty_broker: None, database_url: str, mail: MailServer) -> Iterator[servers.Server]:
    backlog.mark()
    env = {"DATABASE_URL": database_url, "EMAIL_URL": mail.url}
    server = servers.worker(folder=SCRATCH, env=env, name="outage")
    with servers.running(server, says=servers.WORKER_IS_READY):
        yield server


def test_a_few_mails_open_the_breaker_and_no_run_waits_for_the_server(
    worker: servers.Server, mail: MailServer, make_run: Callable[..., Run], risk: RiskService
) -> None:
    publish(make_run())
    ended = Run.objects.exclude(state__in=Run.UNFINISHED)
    wait_for(lambda: ended.count() == 1, "the first sign-in has its device")
    mail.become(Mood.DOWN)

    for network in range(RUNS):
        publish(make_run(ip_address=f"198.51.{network}.7"))
    wait_for(lambda: ended.count() == RUNS + 1, "all runs end", seconds=60)

    assert Run.objects.filter(state=Run.State.DEGRADED).count() == RUNS
    tried = Attempt.objects.filter(step__name=Name.NOTIFY_USER).count()
    # Those that opened it, those that the other processes had under way, and a probe or two.
    assert OPENS_AFTER <= tried <= OPENS_AFTER + 5
    assert Alert.objects.get().kind == Alert.Kind.BREAKER_OPENED
    assert Breaker.objects.get(name=MAIL_SERVER).opened_at

    mail.become(Mood.WELL)
    Notice.objects.update(next_attempt_at=timezone.now())
    periodic.deliver_notices.delay()
    wait_for(lambda: not Run.objects.exclude(state=Run.State.SUCCEEDED).exists(), "all mails go out")

    assert len({sent.message_id for sent in mail.accepted}) == len(mail.accepted) == RUNS
    assert Breaker.objects.get(name=MAIL_SERVER).opened_at is None
