"""Writing to the database: what was done outside though it is away for a moment, and texts that it would refuse."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection, transaction

# Seconds: as long as a restart of the database takes, and well within the time limits of a task.
PATIENCE = 8.0
PAUSE = 0.2


def insist(write: Callable[[], None]) -> None:
    """Run ``write`` in a transaction, again while the database is away, for PATIENCE seconds.

    For what cannot be taken back, as a mail that was accepted: forgotten, it would happen twice. ``write`` must bear
    being done twice, as a commit whose answer was lost is repeated. Raises what the database raised in the end, and
    at once inside another transaction, which is lost as a whole.
    """
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with transaction.atomic():
                write()
            return
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or time.monotonic() > until:
                raise
            connection.close()
            time.sleep(PAUSE)


def storable(text: str) -> str:
    """An error's text may come from anywhere: databases refuse NUL characters and lone surrogates."""
    return text.replace("\x00", "").encode(errors="replace").decode()
