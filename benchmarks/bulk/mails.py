"""A mail server that takes every mail and keeps none: it counts those of each job, and to how many people they went.

A process of its own. It answers STAT, which is no word of SMTP, with both counts of a job.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from collections import defaultdict

# What it says once it does its work.
READY = "mails are taken"
MESSAGE_ID = re.compile(rb"^Message-ID: <bulk\.([0-9a-f-]+)\.(\d+)@", re.IGNORECASE | re.MULTILINE)
LINE, CONTENT = b"\r\n", b"\r\n.\r\n"


class Counts:
    def __init__(self) -> None:
        self.mails = 0
        self.people: set[int] = set()


class Conversation(asyncio.Protocol):
    def __init__(self, jobs: defaultdict[str, Counts]) -> None:
        self._jobs = jobs
        self._said = b""
        self._ends_with = LINE

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  it is TCP
        self._transport = transport
        self._answer("220 mail.example.com")

    def data_received(self, data: bytes) -> None:
        self._said += data
        while True:
            whole, found, rest = self._said.partition(self._ends_with)
            if not found:
                return
            self._said = rest
            self._hear(whole)

    def _hear(self, whole: bytes) -> None:
        if self._ends_with == CONTENT:
            self._ends_with = LINE
            self._count(whole)
            self._answer("250 ok")
            return
        match whole[:4].upper():
            case b"DATA":
                self._ends_with = CONTENT
                self._answer("354 go on")
            case b"STAT":
                counts = self._jobs[whole[5:].decode()]
                self._answer(f"250 {counts.mails} {len(counts.people)}")
            case b"QUIT":
                self._answer("221 bye")
                self._transport.close()
            case _:
                self._answer("250 ok")

    def _count(self, mail: bytes) -> None:
        if found := MESSAGE_ID.search(mail):
            counts = self._jobs[found[1].decode()]
            counts.mails += 1
            counts.people.add(int(found[2]))

    def _answer(self, text: str) -> None:
        self._transport.write(f"{text}\r\n".encode())


def counted(port: int, job: str) -> tuple[int, int]:
    """How many mails of the job came, and to how many people; the one that tells of its end among them."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, connection.makefile("rw") as talk:
        talk.readline()
        talk.write(f"STAT {job}\r\n")
        talk.flush()
        _, mails, people = talk.readline().split()
        return int(mails), int(people)


async def serve(port: int) -> None:
    jobs: defaultdict[str, Counts] = defaultdict(Counts)
    server = await asyncio.get_running_loop().create_server(lambda: Conversation(jobs), "127.0.0.1", port)
    print(READY, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
