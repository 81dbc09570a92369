"""When a mail counts as accepted; over real SMTP."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.core.mail import EmailMessage
from pytest_django import Settings

from accounts import mail
from tests.accounts.mail_server import HANG_UP, SILENCE, MailServer, mail_server


@pytest.fixture
def time_limit(smtp_at: Callable[..., None], settings: Settings) -> Iterator[Callable[[MailServer, str], None]]:
    """Has the time limit of a task come, as Celery's does, when the server is told a verb, which it does not answer."""

    def exceed(signal_number: int, frame: object) -> None:
        raise SoftTimeLimitExceeded

    def come(server: MailServer, verb: str) -> None:
        smtp_at(server.port)
        main = threading.main_thread().ident
        assert main
        server.answers[verb] = SILENCE
        server.when[verb] = lambda: signal.pthread_kill(main, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, exceed)
    yield come
    signal.signal(signal.SIGUSR1, before)
    gc.collect()  # a connection that was not parted from in peace, while its warning is expected


# smtplib leaves its socket to the garbage collector where parting is interrupted.
pytestmark = pytest.mark.filterwarnings("ignore:.*<socket:pytest.PytestUnraisableExceptionWarning")


def letter() -> EmailMessage:
    return EmailMessage("Hello", "It is me.", "site@example.com", ["alice@example.com"])


def test_what_was_accepted_is_sent_though_the_time_limit_comes_while_parting(
    time_limit: Callable[[MailServer, str], None],
) -> None:
    with mail_server() as server:
        time_limit(server, "QUIT")
        mail.give(letter())

    assert len(server.received) == 1


def test_what_was_not_accepted_when_the_time_limit_comes_is_not_sent(
    time_limit: Callable[[MailServer, str], None],
) -> None:
    with mail_server() as server:
        time_limit(server, "RCPT")
        server.answers["QUIT"] = HANG_UP
        with pytest.raises(SoftTimeLimitExceeded):
            mail.give(letter())

    assert server.received == []


@pytest.mark.parametrize("parting", [SILENCE, HANG_UP, "500 what?", "nonsense", "221 " + 9000 * "bye"])
def test_what_was_accepted_is_sent_however_the_server_parts(smtp_at: Callable[..., None], parting: str) -> None:
    with mail_server(QUIT=parting) as server:
        smtp_at(server.port, patience=0.3 if parting == SILENCE else 10)
        mail.give(letter())

    assert len(server.received) == 1
