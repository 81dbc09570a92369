"""A real, tiny SMTP server that says what a test wants it to say."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

OK = "250 ok"
ANSWERS = {
    "CONNECT": "220 mail.example.com",
    "EHLO": OK,
    "MAIL": OK,
    "RCPT": OK,
    "DATA": "354 go on",
    ".": OK,
    "RSET": OK,
    "QUIT": "221 bye",
}
# Instead of an answer: end the connection; say nothing until the server is stopped.
HANG_UP = "hang up"
SILENCE = "silence"


class MailServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, answers: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.answers = ANSWERS | answers
        # To the one who is named as a recipient, by the address, one after the other, of which the last stays.
        self.answers_for: dict[str, list[str]] = {}
        # What happens when a verb has come, before it is answered.
        self.when: dict[str, Callable[[], None]] = {}
        self.received: list[EmailMessage] = []
        self.stopped = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Conversation(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        try:
            self._converse()
        except (ConnectionError, StopIteration):
            return  # one of the two hung up

    def _converse(self) -> None:
        self._answer("CONNECT")
        for line in self.rfile:
            verb = line[:4].decode().upper().strip()
            self._answer(verb, line)
            if verb == "DATA" and self.server.answers["DATA"].startswith("354"):
                self._take_mail()
            if verb == "QUIT":
                return

    def _take_mail(self) -> None:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise StopIteration
            lines.append(line.removeprefix(b"."))
        if self.server.answers["."] == OK:
            self.server.received.append(message_from_bytes(b"".join(lines), policy=policy.default))
        self._answer(".")

    def _answer(self, to: str, line: bytes = b"") -> None:
        if to in self.server.when:
            self.server.when[to]()
        answer = self._own_answer(line) if to == "RCPT" else ""
        answer = answer or self.server.answers.get(to, "500 what?")
        if answer == SILENCE:
            self.server.stopped.wait()
        if answer in {HANG_UP, SILENCE}:
            raise StopIteration
        self.wfile.write(f"{answer}\r\n".encode())

    def _own_answer(self, line: bytes) -> str:
        own = self.server.answers_for.get(line.decode().partition("<")[2].partition(">")[0], [])
        return (own.pop(0) if len(own) > 1 else own[0]) if own else ""


@contextmanager
def mail_server(**answers: str) -> Iterator[MailServer]:
    """A server that gives ``answers`` by the verb (CONNECT, EHLO, MAIL, RCPT, DATA, END for the mail itself)."""
    if "END" in answers:
        answers["."] = answers.pop("END")
    with MailServer(answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            server.shutdown()
            thread.join()
