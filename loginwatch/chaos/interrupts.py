"""What has to be done to its end, whoever presses Ctrl-C meanwhile."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Until the block ends, which shall be soon, no interrupt is heard: half an ending would leave processes behind."""
    if threading.current_thread() is not threading.main_thread():  # which alone hears any
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
