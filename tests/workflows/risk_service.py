"""A risk service that answers whatever a test tells it to, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ALLOW = {"version": 1, "id": "a-1", "score": 0, "level": "low", "decision": "allow", "reasons": []}
DENY = {
    "version": 1,
    "id": "a-2",
    "score": 75,
    "level": "high",
    "decision": "deny",
    "reasons": [{"code": "new_device", "text": "It is new.", "points": 75}],
}


@dataclass
class Answer:
    status: int = 201
    body: bytes = json.dumps(ALLOW).encode()
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


@dataclass
class RiskService:
    """``answer`` is given to each request; ``requests`` are (headers, body) as they came.

    ``answers`` are those for a sign-in, by its id, one after the other, of which the last stays.
    """

    url: str
    answer: Answer = field(default_factory=Answer)
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, list[Answer]] = field(default_factory=dict)

    def next_answer(self, body: dict[str, Any]) -> Answer:
        own = self.answers.get(body.get("sign_in", {}).get("id", ""), [])
        return (own.pop(0) if len(own) > 1 else own[0]) if own else self.answer

    def will_say(self, assessment: dict[str, Any]) -> None:
        self.answer = Answer(body=json.dumps(assessment).encode())


@contextmanager
def risk_service(port: int = 0) -> Iterator[RiskService]:
    server = ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler)
    service = RiskService(f"http://127.0.0.1:{server.server_address[1]}")
    stopping = threading.Event()
    server.RequestHandlerClass = _handler(service, stopping)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield service
    finally:
        stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(service: RiskService, stopping: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service.requests.append((dict(self.headers), json.loads(body)))
            answer = service.next_answer(json.loads(body))
            stopping.wait(answer.delay)
            if stopping.is_set():
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
            """Say nothing."""

    return Handler
