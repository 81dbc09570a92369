"""The run ledger: what has to be done after a sign-in, what is done, what it returned, what failed and why."""

from __future__ import annotations

import uuid

from django.db import models
from django.urls import reverse
from django.utils import timezone

from accounts.models import SignIn


class Run(models.Model):
    """One workflow for one sign-in."""

    class Kind(models.TextChoices):
        SIGN_IN = "sign_in", "sign-in"

    class State(models.TextChoices):
        QUEUED = "queued", "queued"
        RUNNING = "running", "running"
        RETRYING = "retrying", "retrying"
        SUCCEEDED = "succeeded", "succeeded"
        DEGRADED = "degraded", "degraded"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    UNFINISHED = (State.QUEUED, State.RUNNING, State.RETRYING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=32, choices=Kind.choices, default=Kind.SIGN_IN)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    sign_in = models.OneToOneField(SignIn, models.CASCADE, related_name="run")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    published = models.PositiveIntegerField(default=0, help_text="how often its canvas was handed to the broker")
    published_at = models.DateTimeField(
        null=True, help_text="when the broker took it last; empty where it is known to hold nothing of it"
    )
    stalls = models.PositiveIntegerField(
        default=0, help_text="how often it was published again since it last got on by a step"
    )
    recover_at = models.DateTimeField(help_text="when recovery looks at it, unless it finished before")

    class Meta:
        indexes = [
            models.Index(
                fields=["recover_at"],
                condition=models.Q(state__in=["queued", "running", "retrying"]),
                name="run_unfinished_by_recover_at",
            ),
            models.Index(fields=["finished_at"], condition=models.Q(state="degraded"), name="run_degraded_lately"),
            models.Index(fields=["id"], condition=models.Q(state="failed"), name="run_failed"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("workflows:run", args=[self.pk])

    @property
    def is_finished(self) -> bool:
        return self.state not in self.UNFINISHED


class Step(models.Model):
    """One step of a run: written with the run, then moved by guarded updates only (ledger.py)."""

    class Name(models.TextChoices):
        CHECK_DEVICE = "check_device", "check the device"
        NOTIFY_USER = "notify_user", "notify the user"
        SAVE_EVENT = "save_event", "save the event"
        POST_TO_RISK_API = "post_to_risk_api", "ask the risk service"
        POST_PROCESS = "post_process", "act on the verdict"

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        RETRYING = "retrying", "retrying"
        SUCCEEDED = "succeeded", "succeeded"
        FAILED = "failed", "failed"

    # Without an index of its own: the constraint's begins with it.
    run = models.ForeignKey(Run, models.CASCADE, related_name="steps", db_index=False)
    name = models.CharField(max_length=32, choices=Name.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(null=True, help_text="when it was first attempted")
    finished_at = models.DateTimeField(null=True)
    cut_off = models.PositiveIntegerField(default=0, help_text="attempts whose process ended without a word")
    leased_until = models.DateTimeField(null=True, help_text="until then nobody else may attempt it")
    result = models.JSONField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="one_step_of_a_name_a_run")]
        indexes = [
            models.Index(
                fields=["leased_until"], condition=models.Q(leased_until__isnull=False), name="step_leased_until"
            )
        ]

    def __str__(self) -> str:
        return f"{self.run_id}.{self.name}"

    @property
    def task_id(self) -> str:
        return task_id_of(self.run_id, self.name)


class Chord(models.Model):
    """A group whose members have not all ended, or have and the task behind them is still to be published.

    It belongs to the result backend (result_backend.py): with it, "the last member has ended" and "the body is to
    be published" are one commit, and the body is published until the broker has it.
    """

    group_id = models.CharField(max_length=255, unique=True)
    members = models.JSONField(help_text="Celery's result tuples of the members")
    body = models.TextField(help_text="the signature of the task behind the group, encoded as in a message")
    created_at = models.DateTimeField(default=timezone.now)
    publish_at = models.DateTimeField(
        null=True, help_text="all members have ended: when the body is published, unless somebody has by then"
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["publish_at"], condition=models.Q(publish_at__isnull=False), name="chord_to_be_published"
            )
        ]

    def __str__(self) -> str:
        return f"chord {self.group_id}"


class Alert(models.Model):
    """Something that a person has to look at; operators are told by mail, many at a time (alerts.py)."""

    class Kind(models.TextChoices):
        RUN_FAILED = "run_failed", "a run failed"

    kind = models.CharField(max_length=32, choices=Kind.choices)
    run = models.ForeignKey(Run, models.CASCADE, null=True, related_name="alerts")
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    told_at = models.DateTimeField(null=True, help_text="when the mail that names it was handed over")

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["id"], condition=models.Q(told_at=None), name="alert_untold")]

    def __str__(self) -> str:
        return self.get_kind_display()


def task_id_of(run_id: uuid.UUID | str, step_name: str) -> str:
    """The Celery id of a step's task: it follows from the run, so a step's result is found without a look-up."""
    return f"{run_id}.{step_name}"
