"""The time limits of the steps in these tests, and what has to be longer."""

from __future__ import annotations

from datetime import timedelta

# Seconds, soft and hard. A message carries those of who publishes it.
IN_DATABASE = {"soft_time_limit": 6, "time_limit": 9}
OUTSIDE = {"soft_time_limit": 6, "time_limit": 16}
LIMITS = {
    "check_device": IN_DATABASE,
    "notify_user": OUTSIDE,
    "save_event": IN_DATABASE,
    "post_to_risk_api": OUTSIDE,
    "post_process": IN_DATABASE,
}
# As in the product. Where recovery has another at a step on a busy machine, that one does it as soon as the first is
# killed, and Celery calls nobody for a task that has succeeded.
STALLED = timedelta(seconds=20)
# Who has claimed a chord may wait for SQLite's lock for as long as a step lingers with it, and still calls once.
CLAIM = timedelta(seconds=14)
# Others wait for it.
LEASE = timedelta(seconds=17)
