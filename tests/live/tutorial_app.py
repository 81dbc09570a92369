"""The site's Celery app with the tutorial's modules: `celery -A tests.live.tutorial_app worker`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery.signals import import_modules

from loginwatch.celery import app as app
from tests.live.tutorial import load_modules


@import_modules.connect  # after Django is set up, which was connected before
def load(**kwargs: Any) -> None:
    load_modules(Path(os.environ["TUTORIAL"]))
