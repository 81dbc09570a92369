"""The tables of bulk jobs: the job, the snapshot of its selection as chunks of ids, its lanes, the rows that failed."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from workflows.run_ids import new_run_id

# Characters that are kept of why a row failed.
LONGEST_REASON = 500


class BulkJob(models.Model):
    """One action on all rows of one selection. Its state moves by guarded updates only (jobs.py)."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting for approval"
        PREPARING = "preparing", "selecting its rows"
        RUNNING = "running", "running"
        STOPPED = "stopped", "stopped"
        FINISHED = "finished", "finished"
        FAILED = "failed", "failed"

    ACTIVE = (State.PREPARING, State.RUNNING)
    ENDED = (State.STOPPED, State.FINISHED, State.FAILED)

    id = models.UUIDField(primary_key=True, default=new_run_id, editable=False)
    token = models.UUIDField(
        unique=True, default=uuid.uuid4, editable=False, help_text="of the form that queued it: sent twice, it is one"
    )
    action = models.CharField(max_length=32, help_text="by its name (registry.py)")
    parameters = models.JSONField(default=dict)
    selection = models.JSONField(
        help_text="ids, or the query string of the admin's list, or that it is all; and the newest row by then"
    )
    dry_run = models.BooleanField(default=False, help_text="everything is tried, and taken back")
    state = models.CharField(max_length=16, choices=State.choices, default=State.PREPARING)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="bulk_jobs", help_text="who started it"
    )
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    error = models.TextField(blank=True, help_text="why it does not go on")
    is_prepared = models.BooleanField(default=False, help_text="all of its selection is in chunks")
    is_retrying = models.BooleanField(default=False, help_text="the rows that failed are being put into chunks again")
    round = models.PositiveIntegerField(default=1, help_text="one more for each time that the failed rows were retried")
    # Counted in the transactions that do what is counted.
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0, help_text="there was nothing to do")
    reasons = models.JSONField(
        default=dict, db_default={}, help_text="of those skipped: why, where that is told, and how many"
    )
    gone = models.PositiveIntegerField(default=0, help_text="of those skipped: deleted since they were selected")
    failed = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    # The end, also of one that was stopped or has failed: how long it is kept, and what it wrote, counts from then.
    finished_at = models.DateTimeField(null=True)
    # From where on its rate is told.
    running_since = models.DateTimeField(null=True)
    counted_by_then = models.PositiveIntegerField(default=0)
    mail_due_at = models.DateTimeField(null=True, help_text="when its mail is tried, unless it went out by then")
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["id"], condition=models.Q(state__in=["preparing", "running"]), name="bulk_job_active"),
            models.Index(
                fields=["mail_due_at"], condition=models.Q(mail_due_at__isnull=False), name="bulk_job_mail_due"
            ),
            # Those that have not ended are at one end of it.
            models.Index(fields=["finished_at"], name="bulk_job_by_end"),
        ]
        permissions = [
            ("bulk_sign_out", "Can sign out many people everywhere"),
            ("bulk_security_notice", "Can send many people a security notice"),
            ("bulk_ask_password", "Can ask many people for a new password"),
            ("bulk_forget_devices", "Can forget many devices"),
            ("bulk_rescore", "Can have the risk service asked again about many sign-ins"),
            ("bulk_anonymise", "Can anonymise many sign-ins"),
            ("bulk_export", "Can export many rows"),
            ("approve_bulkjob", "Can approve another person's bulk job"),
        ]

    def __str__(self) -> str:
        return f"bulk job {self.pk}"

    @property
    def processed(self) -> int:
        return self.done + self.skipped + self.failed

    @property
    def left(self) -> int:
        return max(self.total - self.processed, 0)

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE


class BulkChunk(models.Model):
    """Some of a job's rows, by their ids, in the order in which they are done. ``position``: so many are."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"

    job = models.ForeignKey(BulkJob, models.CASCADE, related_name="chunks", db_index=False)
    number = models.PositiveIntegerField()
    ids = models.TextField(help_text="separated by commas")
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    position = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    output = models.TextField(blank=True, help_text="lines of the file that the job writes")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="one_chunk_of_a_number_a_job")]
        indexes = [
            models.Index(fields=["job", "number"], condition=models.Q(state="waiting"), name="bulk_chunk_waiting"),
            models.Index(fields=["job"], condition=~models.Q(state="done"), name="bulk_chunk_open"),
        ]

    def __str__(self) -> str:
        return f"chunk {self.number} of {self.job_id}"

    def row_ids(self) -> list[str]:
        return self.ids.split(",")


class BulkLane(models.Model):
    """One of the few messages of a job that are under way at a time (lanes.py)."""

    job = models.ForeignKey(BulkJob, models.CASCADE, related_name="lanes", db_index=False)
    number = models.PositiveSmallIntegerField()
    turn = models.PositiveIntegerField(default=0, help_text="a message of another turn is old, and does nothing")
    attempts = models.PositiveIntegerField(default=0, help_text="turns since it last got on")
    chunk = models.ForeignKey(BulkChunk, models.SET_NULL, null=True, related_name="+", help_text="where it is")
    written = models.JSONField(null=True, help_text="what became of rows that are not counted yet")
    due_at = models.DateTimeField(null=True, help_text="when its turn is published again, unless it got on by then")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="one_lane_of_a_number_a_job")]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="bulk_lane_due"),
        ]

    def __str__(self) -> str:
        return f"lane {self.number} of {self.job_id}"


class BulkFailure(models.Model):
    """A row that could not be done, and why."""

    job = models.ForeignKey(BulkJob, models.CASCADE, related_name="failures", db_index=False)
    row = models.CharField(max_length=64, help_text="its id")
    reason = models.CharField(max_length=LONGEST_REASON)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "row"], name="one_failure_of_a_row_a_job")]
        indexes = [models.Index(fields=["job", "id"], name="bulk_failure_in_order")]

    def __str__(self) -> str:
        return f"row {self.row} of {self.job_id}"
