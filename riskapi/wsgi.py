"""The application for gunicorn, made from the environment: `gunicorn -c riskapi/gunicorn.conf.py`."""

from __future__ import annotations

import os

from riskapi import refusals
from riskapi.app import create_app
from riskapi.config import ConfigError, from_environment
from riskapi.store import StoreError

try:
    app = create_app(from_environment(os.environ))
except (ConfigError, StoreError) as error:
    raise SystemExit(f"riskapi: {error}") from None

refusals.install(app)
