"""Ids of runs: UUIDs of version 7 (RFC 9562, 5.7), which begin with the time.

A run's id is in six indexes, beside its own in those of its steps and results. Random ones would each come to another
page of a big site's indexes, and that page from the disk: with ten million runs, workflows took half as long again
(docs/scale.md). Those of one time come to the same pages.
"""

from __future__ import annotations

import secrets
import time
from uuid import UUID


def new_run_id() -> UUID:
    """48 bits of milliseconds since 1970, the version, 12 random bits, the variant, 62 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    return UUID(int=milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62))
