"""The environment of the site under test. Nothing of the machine's own set-up leaks in.

Servers that tests start listen where these variables say; where none was started, nobody answers.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from loginwatch.chaos.listening import spare_port

SCRATCH = Path(tempfile.mkdtemp(prefix="loginwatch-tests-"))
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)
os.environ.update(
    {
        "ENV_FILE": os.devnull,
        "VAR_DIR": str(SCRATCH),
        "DEBUG": "1",
        "SECRET_KEY": "a-secret-key-of-the-tests-that-is-long-enough-for-anything",
        "SITE_URL": "http://testserver",
        "ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
        "DATABASE_URL": os.environ.get("TEST_DATABASE_URL") or f"sqlite:///{SCRATCH / 'tests.sqlite3'}",
        "REDIS_URL": f"redis://127.0.0.1:{spare_port()}/0",
        "RISK_API_URL": f"http://127.0.0.1:{spare_port()}",
        "EMAIL_URL": f"maildir:///{SCRATCH / 'mail'}",
        "OPERATOR_EMAILS": "operators@example.com",
        "LOGINWATCH_DEMO": "0",
    }
)
