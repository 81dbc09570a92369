"""Says where the demo is, once it answers: `python -m loginwatch.demo.ready`, run beside what it waits for."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

from django.conf import settings
from kombu.exceptions import OperationalError

from loginwatch.celery import app
from loginwatch.demo.cast import NAMES, OPERATOR, PASSWORD, address_of
from loginwatch.demo.ports import reachable
from loginwatch.demo.waiting import wait_until

LIMIT = 120.0
REQUEST_TIMEOUT = 5.0


def site_answers() -> bool:
    url = f"http://{reachable(settings.HOST)}:{settings.PORT}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=REQUEST_TIMEOUT):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500  # ALLOWED_HOSTS may not have the loopback address
    except OSError:
        return False


def worker_answers() -> bool:
    try:
        return bool(app.control.ping(timeout=1.0, limit=1))
    except (OperationalError, OSError):
        return False


def welcome() -> str:
    site = settings.SITE_URL
    return "\n".join(
        (
            "",
            f"Loginwatch runs at  {site}/",
            "",
            f"  Sign in as   {', '.join(address_of(name) for name in NAMES)}",
            f"  Password     {PASSWORD}",
            f"  Mailbox      {site}/demo/mail/",
            f"  Admin        {site}/admin/  (as {OPERATOR})",
            f"  Logs         {settings.VAR_DIR}/log/",
            "",
            "Ctrl-C stops everything.",
        )
    )


def main() -> int:
    for what, answers in (("the site", site_answers), ("a worker", worker_answers)):
        if not wait_until(answers, limit=LIMIT):
            print(f"  Waited {LIMIT:g} seconds for {what} to answer; it may be told why in {settings.VAR_DIR}/log/.")
            return 1
    print(welcome())
    return 0


if __name__ == "__main__":
    sys.exit(main())
