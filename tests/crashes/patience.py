"""The product's patience for these tests: what it takes minutes to give up waiting for takes them seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings

from accounts import notices
from workflows import breakers, ledger, notifying, recovery, runs, step_tasks, steps
from workflows.results import chords

# Still longer than what they cover takes on a busy machine: who loses a claim in the middle of a mail sends it twice.
LEASE = timedelta(seconds=15)
FIRST_DELAY = timedelta(seconds=12)
# Recovery's patience in the product: a worker has time to tell that a process of its was killed.
TOLD_WITHIN = timedelta(seconds=20)
PATIENCE: list[tuple[object, str, object]] = [
    (ledger, "LEASE", LEASE),
    (notifying, "NOTICE_DELAYS", (0.2, 0.2)),
    (steps, "FIRST_RISK_DELAY", 0.2),
    (steps, "LONGEST_RISK_DELAY", 0.5),
    (runs, "UNPUBLISHED", timedelta(seconds=2)),
    (runs, "STALLED", timedelta(seconds=0.05)),
    (recovery, "SLACK", timedelta(seconds=0.01)),
    # What dies at a retry is to come to one, however many others the risk service has not answered.
    (breakers, "OPENS_AFTER", 1000),
    (step_tasks, "LONGEST_TAKEN_DELAY", 1.0),
    (notices, "FIRST_DELAY", FIRST_DELAY),
    (chords, "CLAIM", timedelta(seconds=5)),
    # Longer than in the product: a sign-in that is to die after it has published must have published.
    (settings, "PUBLISH_TIMEOUT", 5.0),
]


def change_patience(set_attribute: Callable[[object, str, object], None] = setattr) -> None:
    for owner, name, value in PATIENCE:
        getattr(owner, name)  # one that is there no more is not to be made
        set_attribute(owner, name, value)
