"""A mail server that remembers what it accepted, and can be away, slow, or refuse for a while."""

from __future__ import annotations

import select
import socket
import socketserver
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from enum import Enum, auto

from loginwatch.chaos.listening import Listener, ThreadingServer
from loginwatch.demo.ports import LOOPBACK

# Before each reply of a slow server: three times as long as the site waits (EMAIL_TIMEOUT), so that it is never close.
SLOW_SECONDS = 30.0
GREETING = b"220 mail.example.com"
OK = b"250 ok"
GO_ON = b"354 go on"
# A reply of 4yz is passing (RFC 5321, 4.2.1).
NOT_NOW = b"451 4.3.2 not now"
UNKNOWN = b"500 5.5.1 what?"
BYE = b"221 bye"


class Mood(Enum):
    """How the server is at present."""

    WELL = auto()
    DOWN = auto()
    SLOW = auto()
    REFUSING = auto()


@dataclass(frozen=True)
class Mail:
    """``recipient`` is the envelope's, ``at`` the time.time() of its acceptance."""

    message_id: str
    recipient: str
    at: float


class MailServer(Listener):
    """A context manager; ``url`` is what the site takes for EMAIL_URL."""

    def __init__(self, *, slow_seconds: float = SLOW_SECONDS) -> None:
        super().__init__(lambda address: _Server(address, self))
        self.mood = Mood.WELL
        self.slow_seconds = slow_seconds
        self.url = f"smtp://{LOOPBACK}:{self.port}"
        self._accepted: list[Mail] = []

    @property
    def accepted(self) -> list[Mail]:
        """Every mail it has said yes to so far, in that order."""
        return list(self._accepted)

    def accept(self, mail: Mail) -> None:
        self._accepted.append(mail)

    def become(self, mood: Mood) -> None:
        """What is under way goes on in the new mood; a server that is down hangs up instead of its next reply."""
        self.mood = mood
        if mood is Mood.DOWN:
            self.close()
        else:
            self.open()


class HangUp(Exception):
    """The conversation is over: one of the two has gone, or the server is down."""


class _Server(ThreadingServer):
    def __init__(self, address: tuple[str, int], mail_server: MailServer) -> None:
        self.mail_server = mail_server
        super().__init__(address, _Conversation)


class _Conversation(socketserver.StreamRequestHandler):
    server: _Server
    connection: socket.socket
    timeout = 60.0  # of a client that says nothing

    def handle(self) -> None:
        self._recipients: list[str] = []
        try:
            self._reply(GREETING)
            for line in self.rfile:
                self._obey(line.strip())
        except (HangUp, OSError):
            return  # the client tries again, or has gone

    def _obey(self, line: bytes) -> None:
        verb = line[:4].upper()
        match verb:
            case b"EHLO" | b"HELO" | b"NOOP":
                self._reply(OK)
            case b"MAIL" | b"RSET":
                self._recipients = []
                self._reply(NOT_NOW if verb == b"MAIL" and self._mood is Mood.REFUSING else OK)
            case b"RCPT":
                self._recipients.append(line.decode().partition("<")[2].partition(">")[0])
                self._reply(OK)
            case b"DATA":
                self._reply(GO_ON)
                self._take(self._content())
            case b"QUIT":
                self._reply(BYE)
                raise HangUp
            case _:
                self._reply(UNKNOWN)

    @property
    def _mood(self) -> Mood:
        return self.server.mail_server.mood

    def _content(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise HangUp
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def _take(self, content: bytes) -> None:
        """Accept the mail if its sender still waits for the answer, which then follows at once."""
        message_id = str(message_from_bytes(content, policy=policy.default)["Message-ID"])
        self._wait_as_the_mood_is()
        for recipient in self._recipients:
            self.server.mail_server.accept(Mail(message_id, recipient, time.time()))
        self.wfile.write(OK + b"\r\n")

    def _reply(self, text: bytes) -> None:
        self._wait_as_the_mood_is()
        self.wfile.write(text + b"\r\n")

    def _wait_as_the_mood_is(self) -> None:
        """A reply that has begun to be slow is slow to its end, whatever the mood becomes. Raises HangUp."""
        if self._mood is Mood.SLOW:
            self.server.mail_server.closing.wait(self.server.mail_server.slow_seconds)
        if self._mood is Mood.DOWN or self.server.mail_server.closing.is_set() or self._client_has_gone():
            raise HangUp

    def _client_has_gone(self) -> bool:
        """It says nothing while it waits for a reply, so what can be read is its end."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""
