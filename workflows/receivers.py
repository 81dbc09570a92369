"""Where a sign-in becomes a run, and a change of a password."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from accounts.models import PasswordChange, SignIn
from accounts.signals import password_change_recorded, sign_in_recorded
from workflows import points, publishing, runs


@receiver(sign_in_recorded)
def on_sign_in_recorded(sign_in: SignIn, **kwargs: Any) -> None:
    """Write the run in the sign-in's transaction, and publish it once that is committed."""
    run = runs.create_run(sign_in)
    points.reached(run.pk, "", "created")
    publishing.publish_on_commit(run)


@receiver(password_change_recorded)
def on_password_change_recorded(change: PasswordChange, **kwargs: Any) -> None:
    """The same for a change of a password."""
    run = runs.create_run_of("password_change", change.user, password_change=change.pk)
    points.reached(run.pk, "", "created")
    publishing.publish_on_commit(run)
