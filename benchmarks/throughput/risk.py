"""A risk service that answers each post at once, so that it is not what is measured; `risk.py PORT` is the process.

It speaks as much HTTP as the site does: each request is a head and a body of the length that the head says.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys

HEAD = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
LENGTH = b"content-length:"
READY = "answering"

_numbers = itertools.count()


class RiskService(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  a server's always is
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := _end_of_request(self._received)) is not None:
            self._received = self._received[end:]
            answer = _assessment()
            self._transport.write(HEAD % len(answer) + answer)


def _end_of_request(received: bytes) -> int | None:
    """Where the first request ends, or None where it has not come as a whole."""
    head, blank, _ = received.partition(b"\r\n\r\n")
    if not blank:
        return None
    lines = (line for line in head.lower().split(b"\r\n") if line.startswith(LENGTH))
    end = len(head) + len(blank) + int(next(lines, LENGTH + b"0").removeprefix(LENGTH))
    return end if len(received) >= end else None


def _assessment() -> bytes:
    facts = {"version": 1, "id": f"assessment-{next(_numbers)}", "score": 0, "level": "low", "decision": "allow"}
    return json.dumps(facts | {"reasons": []}).encode()


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(RiskService, "127.0.0.1", port)
    print(READY, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
