"""How gunicorn serves the site: `gunicorn loginwatch.wsgi` in this folder reads it by itself."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loginwatch.settings")

import django
from django.conf import settings

proc_name = "loginwatch"
# Reading the settings here ends the start where one is wrong, with its one line.
host = settings.HOST.strip("[]")
bind = f"[{host}]:{settings.PORT}" if ":" in host else f"{host}:{settings.PORT}"

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = 4
# Longer than a request may take, and shorter than what waits for this process to stop.
graceful_timeout = 8

# A user agent of 10 kB, which some send, is taken and cut instead of being refused.
limit_request_field_size = 16_384

# Which proxies are believed, and how many, is TRUSTED_PROXY_COUNT's business alone.
secure_scheme_headers: dict[str, str] = {}

# The socket for `gunicornc` would be one file of the user, shared with every other gunicorn of theirs.
control_socket_disable = True


def on_starting(server: object) -> None:
    """Refuse to serve a site whose system checks fail: a worker would die of it again and again."""
    django.setup()
    from loginwatch.startup import refuse_failing_checks

    refuse_failing_checks()
