"""How a process that makes rows begins; it is imported before Django knows its models."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

import django


def begin() -> None:
    """An interrupt is the parent's to deal with; where the parent is killed, this one ends too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    django.setup()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)
