"""The notice of a changed password while the mail server is away, through a real worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from accounts.models import Notice
from tests import servers
from tests.accounts.mail_server import OK, MailServer, mail_server
from tests.environment import SCRATCH
from tests.waiting import wait_for
from tests.workflows.password_changes import MakeChange
from tests.workflows.password_changes import make_change as make_change  # the fixture
from workflows import backlog, periodic
from workflows.models import Run, Step
from workflows.password_steps import Name
from workflows.publishing import publish

Finished = Callable[[Run], bool]


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with mail_server(MAIL="451 later") as server:
        yield server


@pytest.fixture
def impatient_worker(broker: servers.Server, database_url: str, mail: MailServer) -> Iterator[servers.Server]:
    """It speaks to the server ``mail``, and where that does not take a mail hands it over at once."""
    backlog.mark()
    env = {"DATABASE_URL": database_url, "EMAIL_URL": f"smtp://127.0.0.1:{mail.port}"}
    server = servers.worker(folder=SCRATCH, env=env, name="impatient", app="tests.live.impatient")
    with servers.running(server, says=servers.WORKER_IS_READY):
        yield server


def test_while_the_mail_server_is_away_the_run_is_degraded_and_succeeds_when_the_mail_went_out(
    impatient_worker: servers.Server, mail: MailServer, make_change: MakeChange, finished: Finished
) -> None:
    run = make_change()
    publish(run)
    wait_for(lambda: finished(run), "the run finishes")
    assert run.state == Run.State.DEGRADED
    assert run.steps.get(name=Name.NOTIFY_USER).state == Step.State.SUCCEEDED
    assert mail.received == []

    mail.answers["MAIL"] = OK
    Notice.objects.update(next_attempt_at=timezone.now())
    periodic.deliver_notices.delay()

    wait_for(lambda: Run.objects.get(pk=run.pk).state == Run.State.SUCCEEDED, "it is mended")
    (message,) = mail.received
    assert (message["To"], message["Message-ID"]) == ("alice@example.com", f"<{run.pk}.notify_user@testserver>")
