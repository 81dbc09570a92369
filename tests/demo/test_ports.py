from __future__ import annotations

import socket

import pytest

from loginwatch.demo.ports import LOOPBACK, free_port, reachable, require_free
from loginwatch.demo.refusal import CannotStart


def test_a_free_port_is_free() -> None:
    require_free(LOOPBACK, free_port())


def test_a_port_in_use_is_named_with_the_remedy() -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"Port {port} is in use: .* PORT={port + 1} make run"):
            require_free(LOOPBACK, port)


def test_a_host_that_is_not_this_machine_is_named() -> None:
    with pytest.raises(CannotStart, match=r"Cannot listen on HOST=192\.0\.2\.1, PORT=8000"):
        require_free("192.0.2.1", 8000)


@pytest.mark.parametrize(
    ("host", "name"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("[::]", "[::1]"), ("box", "box")],  # noqa: S104
)
def test_what_a_browser_on_this_machine_calls_it(host: str, name: str) -> None:
    assert reachable(host) == name
