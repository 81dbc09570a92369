"""Speaking to the terminal that the demo was started from, which may be gone."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def say(line: str, *, end: str = "\n") -> None:
    """Print a line. A terminal that was closed is no reason to fail: the processes still have to be stopped."""
    with suppress(OSError, ValueError):
        print(line, end=end, flush=True)


def complain(line: str) -> None:
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def keep_standard_streams() -> None:
    """Fill what is closed of 0, 1 and 2, so that no file of ours is opened as one of them."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)
    os.close(opened)
