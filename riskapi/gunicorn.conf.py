"""How gunicorn serves the risk service: `gunicorn -c riskapi/gunicorn.conf.py` in the folder above this one."""

import os

from riskapi.config import DEFAULT_BIND

wsgi_app = "riskapi.wsgi:app"
proc_name = "loginwatch-riskapi"
bind = os.environ.get("RISK_API_BIND") or DEFAULT_BIND

# One process: SQLite has one writer at a time, and the work of a request is a few milliseconds.
workers = 1
worker_class = "gthread"
threads = 4

# The application is made before any worker is: a wrong value of the environment ends the start, with its one
# line, where a worker that dies of it would be started again for ever.
preload_app = True

# The socket for `gunicornc` would be one file of the user, shared with every other gunicorn of theirs.
control_socket_disable = True
