"""What stands between the site and its risk service: it forwards, or spoils what it forwards."""

from __future__ import annotations

from enum import Enum, auto
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

import httpx

from loginwatch.chaos.listening import Listener, ThreadingServer
from loginwatch.demo.ports import LOOPBACK

SLOW_SECONDS = 30.0
GARBAGE = b'{"version": 1, "decision": "perhaps", \xff\xfe \x00'
# 32 MB, unless its reader has seen enough before.
HUGE_CHUNK, HUGE_CHUNKS = b'{"reasons": ["' + b"x" * 65_522, 512
# The reference service answers within milliseconds.
FORWARD_TIMEOUT = 10.0
# What belongs to one connection (RFC 9110, 7.6.1), and what is set for each anew.
OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "date", "server"}


class Mood(Enum):
    """How the service seems at present. Slow, garbage and huge are answers that are spoilt on their way back: the
    service has done what it was asked, and its client does not know.
    """

    WELL = auto()
    DOWN = auto()
    ERROR = auto()
    SLOW = auto()
    GARBAGE = auto()
    HUGE = auto()


class RiskProxy(Listener):
    """A context manager; ``url`` is what the site takes for RISK_API_URL, ``upstream`` the risk service's own."""

    def __init__(self, upstream: str, *, slow_seconds: float = SLOW_SECONDS) -> None:
        super().__init__(lambda address: _Server(address, self))
        self.upstream = upstream
        self.mood = Mood.WELL
        self.slow_seconds = slow_seconds
        self.url = f"http://{LOOPBACK}:{self.port}"
        # Nothing of the machine's own proxies is meant for it, and a kept connection may be closed just as it is used.
        self.client = httpx.Client(
            base_url=upstream,
            trust_env=False,
            timeout=FORWARD_TIMEOUT,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def become(self, mood: Mood) -> None:
        """For the requests that come from now on; those under way are answered as they came."""
        self.mood = mood
        if mood is Mood.DOWN:
            self.close()
        else:
            self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
        self.client.close()


class _Server(ThreadingServer):
    def __init__(self, address: tuple[str, int], proxy: RiskProxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Request)


class _Request(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        mood = self.server.proxy.mood
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if mood is Mood.ERROR:
                self._answer(500, {}, b"something went wrong")
            else:
                self._spoil(mood, self._forward(body))
        except ConnectionError:
            self.close_connection = True  # the client has had enough, or it has been killed
        except httpx.HTTPError as error:
            self._answer(502, {}, str(error).encode())

    def _forward(self, body: bytes) -> httpx.Response:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in OF_THE_CONNECTION}
        return self.server.proxy.client.request(self.command, self.path, content=body, headers=headers)

    def _spoil(self, mood: Mood, answer: httpx.Response) -> None:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in OF_THE_CONNECTION}
        match mood:
            case Mood.GARBAGE:
                self._answer(answer.status_code, headers, GARBAGE)
            case Mood.HUGE:
                self._answer(answer.status_code, headers, HUGE_CHUNK, times=HUGE_CHUNKS)
            case Mood.SLOW:
                self.server.proxy.closing.wait(self.server.proxy.slow_seconds)
                self._answer(answer.status_code, headers, answer.content)
            case _:
                self._answer(answer.status_code, headers, answer.content)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, *, times: int = 1) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) * times))
        self.end_headers()
        for _ in range(times):
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Say nothing."""
