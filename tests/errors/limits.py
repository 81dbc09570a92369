"""The time limits of the steps in these tests."""

from __future__ import annotations

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
