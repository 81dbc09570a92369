"""What the site does by itself: beat's tasks, recovery, retention."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Iterator

from celery import current_app
from django.conf import settings
from django.test.utils import override_settings
from django.utils import timezone

from accounts.models import SignIn, User
from benchmarks.growth.watch import Watch
from workflows import figures, recovery, retention, runs
from workflows.models import Run

CLEANUP = "celery.backend_cleanup"
# How often each is measured, and how many runs are due at once.
CALLS = 20
DUE = 1000
# Of all that there is, half is older than so many days, and due where retention is measured.
KEPT_DAYS = 15


def end_all_runs() -> None:
    """Runs that nobody works off shall not be in the way of what comes next."""
    Run.objects.filter(state__in=Run.UNFINISHED).update(state=Run.State.SUCCEEDED, finished_at=timezone.now())


def catch_up(watch: Watch) -> Iterator[None]:
    """Of a site that has never counted what happened."""
    with watch.timing("figures of all days, rolled up for the first time"):
        figures.roll_up()
    yield


def idle(watch: Watch) -> Iterator[None]:
    """Every task of beat's schedule, with nothing to do."""
    current_app.loader.import_default_modules()
    # Beat schedules the first by itself.
    for name in [CLEANUP, *(str(entry["task"]) for entry in settings.CELERY_BEAT_SCHEDULE.values())]:
        task = current_app.tasks[name]
        task()  # it notes what it has not seen before
        for _ in range(CALLS):
            with watch.timing(f"{name.rpartition('.')[2]}, nothing due"):
                task()
            yield


def recover(watch: Watch) -> Iterator[None]:
    """Runs of one person, whose devices were found out already."""
    user, _ = User.objects.get_or_create(username="waiting", email="waiting@example.com")
    for _ in range(DUE):
        sign_in = SignIn.objects.create(user=user, device_status="known", issued_token=secrets.token_hex(32))
        Run.objects.filter(pk=runs.create_run(sign_in).pk).update(recover_at=timezone.now())
    yield
    with watch.timing(f"recovery, {DUE:,} runs due"):
        published = recovery.recover_runs(seconds=600)
    if published != DUE:
        raise AssertionError(f"{published} of {DUE} runs were published")
    end_all_runs()
    yield


def retain(watch: Watch) -> Iterator[None]:
    """Batches of what is deleted by age: sign-ins with all that hangs on them, and results."""
    for _ in range(CALLS):
        with (
            override_settings(RETENTION_SIGN_INS_DAYS=KEPT_DAYS),
            watch.timing(f"retention, a batch of {retention.BATCH} sign-ins"),
        ):
            deleted = retention.delete_due(seconds=0)
        if not deleted["workflows.Run"]:
            raise AssertionError(f"nothing was deleted but {deleted}")
        with watch.timing("retention, a batch of results"):
            retention.delete_expired_results(timezone.now() - datetime.timedelta(days=KEPT_DAYS), seconds=0)
        yield
