"""Where a sign-in becomes a run."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from accounts.models import SignIn
from accounts.signals import sign_in_recorded
from workflows import points, publishing, runs


@receiver(sign_in_recorded)
def on_sign_in_recorded(sign_in: SignIn, **kwargs: Any) -> None:
    """Write the run in the sign-in's transaction, and publish it once that is committed."""
    run = runs.create_run(sign_in)
    points.reached(run.pk, "", "created")
    publishing.publish_on_commit(run)
