"""The mail server accepts, and remembers what; while it is at fault it accepts nothing."""

from __future__ import annotations

import smtplib
import socket
import time
from collections.abc import Iterator
from email.message import EmailMessage
from urllib.parse import urlsplit

import pytest

from loginwatch.chaos.mail import SLOW_SECONDS, MailServer, Mood

pytestmark = pytest.mark.once

SLOW = 0.3
IMPATIENT = 0.1


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer(slow_seconds=SLOW) as running:
        yield running


def message(message_id: str = "<1@example.com>") -> EmailMessage:
    mail = EmailMessage()
    mail["Message-ID"], mail["From"], mail["To"] = message_id, "site@example.com", "alice@example.com"
    mail.set_content("Was it you?\n.\nA line with a point.")
    return mail


def send(server: MailServer, mail: EmailMessage, *, timeout: float = 10.0) -> None:
    address = urlsplit(server.url)
    assert address.hostname is not None and address.port is not None
    with smtplib.SMTP(address.hostname, address.port, timeout=timeout) as client:
        client.send_message(mail)


def test_an_accepted_mail_is_remembered_with_its_time(server: MailServer) -> None:
    before = time.time()

    send(server, message("<1@example.com>"))
    send(server, message("<2@example.com>"))

    assert [(mail.message_id, mail.recipient) for mail in server.accepted] == [
        ("<1@example.com>", "alice@example.com"),
        ("<2@example.com>", "alice@example.com"),
    ]
    assert all(before <= mail.at <= time.time() for mail in server.accepted)


def test_a_mail_that_is_sent_twice_is_remembered_twice(server: MailServer) -> None:
    send(server, message())
    send(server, message())

    assert len(server.accepted) == 2


def test_while_it_is_down_nobody_listens_and_then_it_is_back_at_the_same_place(server: MailServer) -> None:
    server.become(Mood.DOWN)
    with pytest.raises(ConnectionRefusedError):
        send(server, message())

    server.become(Mood.WELL)
    send(server, message())

    assert len(server.accepted) == 1


def test_what_is_under_way_when_it_goes_down_is_not_accepted(server: MailServer) -> None:
    address = urlsplit(server.url)
    with smtplib.SMTP(str(address.hostname), address.port or 0) as client:
        client.ehlo()
        server.become(Mood.DOWN)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.send_message(message())

    assert server.accepted == []


def test_it_refuses_for_the_time_being(server: MailServer) -> None:
    server.become(Mood.REFUSING)

    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        send(server, message())

    assert 400 <= refused.value.smtp_code < 500
    assert server.accepted == []


def test_a_slow_server_accepts_what_somebody_still_waits_for(server: MailServer) -> None:
    began = time.monotonic()
    server.become(Mood.SLOW)

    send(server, message())

    assert time.monotonic() - began > SLOW
    assert len(server.accepted) == 1


def test_a_slow_server_does_not_accept_what_nobody_waits_for_any_more(server: MailServer) -> None:
    address = urlsplit(server.url)
    with smtplib.SMTP(str(address.hostname), address.port or 0) as client:
        client.ehlo()
        client.mail("site@example.com")
        client.rcpt("alice@example.com")
        client.docmd("data")
        server.become(Mood.SLOW)
        assert client.sock is not None
        client.sock.sendall(b"Message-ID: <1@example.com>\r\n\r\nWas it you?\r\n.\r\n")
        client.sock.shutdown(socket.SHUT_WR)
        server.become(Mood.WELL)  # which does not make quicker what has begun to be slow

        assert client.sock.recv(100) == b""

    assert server.accepted == []


def test_it_ends_while_it_is_slow() -> None:
    with MailServer() as server:
        server.become(Mood.SLOW)
        address = urlsplit(server.url)
        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            smtplib.SMTP(str(address.hostname), address.port or 0, timeout=IMPATIENT)
        began = time.monotonic()

    assert time.monotonic() - began < SLOW_SECONDS / 2


def test_once_it_has_ended_nothing_opens_it_again() -> None:
    with MailServer() as server:
        server.become(Mood.DOWN)

    server.become(Mood.WELL)

    with pytest.raises(ConnectionRefusedError):
        send(server, message())
