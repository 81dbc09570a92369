"""Where a sign-in becomes a run, and a change of a password; and a mail that cannot be made an alert."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from accounts.models import Notice, PasswordChange, SignIn
from accounts.signals import notice_not_made, password_change_recorded, sign_in_recorded
from workflows import about, points, publishing, runs
from workflows.alerting.alerts import raise_alert
from workflows.models import Alert


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


@receiver(notice_not_made)
def on_notice_not_made(notice: Notice, error: str, **kwargs: Any) -> None:
    """Of one that was handed over: what a run's own step could not make, it tells of itself (notifying.py)."""
    run = about.run_of(notice)
    raise_alert(Alert.Kind.NOTICE_NOT_MADE, f"{notice}: {error}", run.pk if run else None)
