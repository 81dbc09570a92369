"""Ports of this machine: which are free."""

from __future__ import annotations

import errno
import socket

from loginwatch.demo.refusal import CannotStart

LOOPBACK = "127.0.0.1"


def require_free(host: str, port: int) -> None:
    """Raises CannotStart where the web server could not listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            # As the server does: a connection that was closed a moment ago is no obstacle.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen()
    except OSError as error:
        raise CannotStart(_why_not(error, host=host, port=port)) from error


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as trial:
        trial.bind((LOOPBACK, 0))
        port: int = trial.getsockname()[1]
        return port


def reachable(host: str) -> str:
    """What a browser on this machine calls a server that listens on ``host``, as it stands in a URL."""
    name = {"": LOOPBACK, "0.0.0.0": LOOPBACK, "::": "::1"}.get(host.strip("[]"), host.strip("[]"))  # noqa: S104
    return f"[{name}]" if ":" in name else name


def _why_not(error: OSError, *, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use: another program listens on it, choose another with PORT={port + 1} make run"
    if error.errno == errno.EACCES:
        return f"Port {port} is not for ordinary users: choose another with PORT=8000 make run"
    return f"Cannot listen on HOST={host}, PORT={port}: {error.strerror or error}"
