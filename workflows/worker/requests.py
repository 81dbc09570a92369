"""How a worker meets a step that heeds no time limit: it ends the step's process first, and then tells of it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

from billiard.exceptions import TimeLimitExceeded
from celery.worker.request import Request


class StepRequest(Request):
    """Celery stores the failure and calls the error callbacks before it ends the process, and does so twice.

    But that process may hold what storing waits for: SQLite's one lock. The main process would wait for it, and every
    other step with it.
    """

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if not isinstance(error, TimeLimitExceeded):
            return super().on_failure(exc_info, *args, **kwargs)
        if self.worker_pid:
            with suppress(ProcessLookupError):
                os.kill(int(self.worker_pid), signal.SIGKILL)
        return None  # on_timeout, which is called next, does all the rest
