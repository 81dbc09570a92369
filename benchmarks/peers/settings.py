"""The site's settings, and those that the documentation of each peer asks for.

The database's are the site's for all: connections that live for 60 seconds and are looked at before they are used.
"""

from __future__ import annotations

import os

from loginwatch.settings import *  # noqa: F403
from loginwatch.settings import INSTALLED_APPS, REDIS_URL

# The module of the peer that sign-ins are handed to.
PEER = os.environ["PEER"]
# What the peer does at once, in processes of its own, is as much as the machine has cores.
PROCESSES = os.cpu_count() or 1

QUIET = {
    "loginwatch": "benchmarks.peers.apps.QuietSiteConfig",
    "workflows": "benchmarks.peers.apps.QuietWorkflowsConfig",
}
PEERS_APPS = {"dramatiq_actor": ["django_dramatiq"], "huey_task": ["huey.contrib.djhuey"], "rq_job": ["django_rq"]}
INSTALLED_APPS = [
    *PEERS_APPS.get(PEER, []),
    *(QUIET.get(app, app) for app in INSTALLED_APPS),
    "benchmarks.peers.apps.PeersConfig",
]

# https://github.com/Bogdanp/django_dramatiq, without its AdminMiddleware, which writes each task's state to the
# database, and the Prometheus one, which needs another package.
DRAMATIQ_BROKER = {
    "BROKER": "dramatiq.brokers.redis.RedisBroker",
    "OPTIONS": {"url": REDIS_URL},
    "MIDDLEWARE": [
        "dramatiq.middleware.AgeLimit",
        "dramatiq.middleware.TimeLimit",
        "dramatiq.middleware.Callbacks",
        "dramatiq.middleware.Retries",
        "django_dramatiq.middleware.DbConnectionsMiddleware",
    ],
}
DRAMATIQ_AUTODISCOVER_MODULES = ["dramatiq_actor"]

# https://huey.readthedocs.io/en/latest/django.html
HUEY = {
    "name": "loginwatch",
    "immediate": False,
    "connection": {"url": REDIS_URL},
    "consumer": {"workers": PROCESSES, "worker_type": "process"},
}

# https://github.com/rq/django-rq
RQ_QUEUES = {"default": {"URL": REDIS_URL}}
