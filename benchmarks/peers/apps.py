"""The site with a peer in the place of its own workflow, for processes that run with benchmarks.peers.settings.

The rooms keep their tables and pages. What they connect to Celery's and their own signals is left out, so that no
peer is slowed, or helped, by it.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db import transaction


class QuietSiteConfig(AppConfig):
    name = "loginwatch"


class QuietWorkflowsConfig(AppConfig):
    name = "workflows"


class PeersConfig(AppConfig):
    name = "benchmarks.peers"

    def ready(self) -> None:
        """Each sign-in is handed to the peer once it is committed, as the site hands it to its own workflow."""
        from accounts.signals import sign_in_recorded

        peer = import_module(f"benchmarks.peers.{settings.PEER}")  # type: ignore[misc]  # it is none of the site's own

        def on_sign_in_recorded(sign_in: Any, **kwargs: Any) -> None:
            transaction.on_commit(partial(peer.enqueue, sign_in.pk))

        sign_in_recorded.connect(on_sign_in_recorded, weak=False)
