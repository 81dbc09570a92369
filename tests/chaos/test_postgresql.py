"""The private PostgreSQL server, restarted as after a crash."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2  # type: ignore[import-untyped]  # it has no types
import pytest

from loginwatch.chaos.postgresql import NoPostgreSQL, PrivateServer, private_server

pytestmark = pytest.mark.once


@pytest.fixture
def server() -> Iterator[PrivateServer]:
    try:
        with private_server() as running:
            yield running
    except NoPostgreSQL as missing:
        pytest.skip(str(missing))


def test_a_restart_cuts_connections_and_keeps_what_was_committed(server: PrivateServer) -> None:
    before = psycopg2.connect(server.url)
    with before, before.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    server.restart()

    with pytest.raises(psycopg2.OperationalError), before.cursor() as cursor:
        cursor.execute("SELECT 1")
    before.close()
    after = psycopg2.connect(server.url)
    with after.cursor() as cursor:
        cursor.execute("SELECT answer FROM kept")
        assert cursor.fetchone() == (42,)
    after.close()


def test_a_server_that_was_stopped_is_not_started_again(server: PrivateServer) -> None:
    server.stop()
    server.restart()

    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(server.url)
