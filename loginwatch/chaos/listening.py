"""Servers inside this process that can be closed and opened again, and the ports that they listen on."""

from __future__ import annotations

import random
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from loginwatch.demo.ports import LOOPBACK

# Below where Linux (from 32768 on) and macOS (from 49152 on) take the ports of outgoing connections from: while its
# server is away, a port from there may become some client's own, and the server could not come back.
SPARE = range(18_000, 32_000)
# How soon a server notices that it shall close.
POLL_SECONDS = 0.02

_given_out: set[int] = set()


def spare_port() -> int:
    """A port of the loopback address that nobody listens on now, and that no outgoing connection is given.

    None is given out twice: who asked for one may not listen on it yet.
    """
    while True:
        port = random.choice(SPARE)  # noqa: S311  no secret
        with suppress(OSError), socket.create_server((LOOPBACK, port)):
            if port not in _given_out:
                _given_out.add(port)
                return port


class ThreadingServer(socketserver.ThreadingTCPServer):
    """Each connection in a thread of its own."""

    allow_reuse_address = True
    daemon_threads = True
    # A connection that is just being answered does not keep the server from closing.
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is nothing to speak of: many are killed here."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Listener:
    """A server on a port of its own; a context manager, behind which it stays closed.

    ``make`` makes the server from its address, and so begins to listen. ``closing``: it is over.
    """

    def __init__(self, make: Callable[[tuple[str, int]], socketserver.BaseServer]) -> None:
        self.port = spare_port()
        self.closing = threading.Event()
        self._make = make
        self._server: socketserver.BaseServer | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Who was refused until now is let in. It may be open already."""
        with self._lock:
            if self._server is None and not self.closing.is_set():
                server = self._make((LOOPBACK, self.port))
                threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
                self._server = server

    def close(self) -> None:
        """Who connects is refused from now on. It may be closed already."""
        with self._lock:
            if self._server is not None:
                self._server.shutdown()
                self._server.server_close()
                self._server = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        self.close()
