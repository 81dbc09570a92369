"""The same without Loginwatch's producer: a sign-in is recorded, and no run comes of it."""

from __future__ import annotations

from benchmarks.sign_ins.settings_cheap_hash import *  # noqa: F403
from benchmarks.sign_ins.settings_cheap_hash import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.sign_ins.no_producer.NoProducer"]
