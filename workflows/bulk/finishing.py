"""The end of a job: all its chunks are done. It is finished once, and who started it gets a mail; also if it failed."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts.database import insist
from accounts.mail import give, site_host, write
from workflows.bulk import messages
from workflows.bulk.models import BulkChunk, BulkJob
from workflows.bulk.progress import title_of

logger = logging.getLogger(__name__)

State = BulkJob.State
# Between two attempts at a mail; longer than the task's hard time limit, as it is also the claim of who sends.
PAUSE = timedelta(seconds=60)
MAIL_WITHIN = timedelta(hours=24)


def finish_if_done(job: BulkJob) -> None:
    """Have the job finished where no chunk is left; whichever lane ends last sees that."""
    if BulkJob.objects.filter(pk=job.pk, state=State.RUNNING).exists() and not _open_chunks(job.pk):
        messages.send("finish", (str(job.pk),))


def finish(job_id: UUID) -> None:
    """Of any number of calls one finishes the job; its mail is tried by each, and goes out once."""
    with transaction.atomic():
        now = timezone.now()
        job = BulkJob.objects.select_for_update(of=("self",)).get(pk=job_id)
        if job.state == State.RUNNING and not _open_chunks(job_id):
            BulkJob.objects.filter(pk=job_id).update(state=State.FINISHED, finished_at=now, mail_due_at=now, error="")
    tell(job_id)


def tell(job_id: UUID) -> bool:
    """Mail who started the job what came of it; False where that was done, is not due, or did not work now."""
    job = _claim(job_id)
    if job is None:
        return False
    if job.requested_by is None:  # the account was deleted since
        _give_up(job)
        return False
    if timezone.now() - (job.finished_at or job.created_at) > MAIL_WITHIN:
        _give_up(job)  # this is the last attempt, whatever ends it
    try:
        _send(job, job.requested_by.email)
    except (OSError, ValueError) as error:  # an SMTPException is an OSError; a header may be none
        logger.warning("the mail of %s did not go out: %s", job, error)
        return False
    insist(partial(_mark_told, job))
    return True


def finish_due(most: int = 50) -> None:
    """What was lost on the way: jobs of which no chunk is left, and mails that are due."""
    for job_id in BulkJob.objects.filter(state=State.RUNNING).values_list("pk", flat=True)[:most]:
        if not _open_chunks(job_id):
            messages.send("finish", (str(job_id),))
    due = BulkJob.objects.filter(mail_due_at__lte=timezone.now()).order_by("mail_due_at")
    for job_id in due.values_list("pk", flat=True)[:most]:
        messages.send("finish", (str(job_id),))


def _open_chunks(job_id: UUID) -> bool:
    return BulkChunk.objects.filter(job=job_id).exclude(state=BulkChunk.State.DONE).exists()


def _claim(job_id: UUID) -> BulkJob | None:
    now = timezone.now()
    due = BulkJob.objects.filter(pk=job_id, state__in=(State.FINISHED, State.FAILED), mail_due_at__lte=now)
    if not due.update(mail_due_at=now + PAUSE):
        return None
    return BulkJob.objects.select_related("requested_by").get(pk=job_id)


def _mark_told(job: BulkJob) -> None:
    BulkJob.objects.filter(pk=job.pk, round=job.round).update(mail_due_at=None, mailed_at=timezone.now())


def _give_up(job: BulkJob) -> None:
    BulkJob.objects.filter(pk=job.pk, round=job.round).update(mail_due_at=None)


def _send(job: BulkJob, to: str) -> None:
    """Raises OSError or ValueError. Every attempt carries the same Message-ID."""
    context = mail_context(job)
    mail = write(
        subject=render_to_string("workflows/bulk/mail_subject.txt", context),
        body=render_to_string("workflows/bulk/mail.txt", context),
        to=[to],
        message_id=f"<bulk.{job.pk}.{job.round}@{settings.SITE_HOST}>",
    )
    give(mail)


def mail_context(job: BulkJob) -> dict[str, Any]:
    return {
        "job": job,
        "title": title_of(job),
        "has_failed": job.state == State.FAILED,
        "site_host": site_host(),
        "url": settings.SITE_URL + reverse("admin:workflows_bulkjob_change", args=[job.pk]),
    }
