"""The time limits of the steps in these tests, and what has to be longer."""

from __future__ import annotations

from datetime import timedelta

# Seconds, soft and hard. A message carries those of who publishes it.
IN_DATABASE = {"soft_time_limit": 3, "time_limit": 5}
OUTSIDE = {"soft_time_limit": 3, "time_limit": 8}
LIMITS = {
    "check_device": IN_DATABASE,
    "notify_user": OUTSIDE,
    "save_event": IN_DATABASE,
    "post_to_risk_api": OUTSIDE,
    "post_process": IN_DATABASE,
}
# Longer than in the product. Celery takes a process for lost ten seconds after its end; where recovery has another at
# the step by then, as on a busy machine, that one does it, and Celery calls nobody for a task that has succeeded.
STALLED = timedelta(seconds=30)
# Who has claimed a chord may wait for SQLite's lock for as long as a step lingers with it, and still calls once.
CLAIM = timedelta(seconds=10)
# Others wait for it.
LEASE = timedelta(seconds=9)
