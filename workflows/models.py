"""The run ledger: what has to be done, what is done, what it returned, what failed and why."""

from __future__ import annotations

import uuid
from typing import cast

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from accounts.models import SignIn, User
from workflows.bulk.models import BulkChunk as BulkChunk  # Django looks for an app's models here
from workflows.bulk.models import BulkFailure as BulkFailure
from workflows.bulk.models import BulkJob as BulkJob
from workflows.bulk.models import BulkLane as BulkLane
from workflows.run_ids import new_run_id


class Run(models.Model):
    """One workflow for one thing that happened: a sign-in, or what its ``facts`` tell of its ``user``."""

    class State(models.TextChoices):
        QUEUED = "queued", "queued"
        RUNNING = "running", "running"
        RETRYING = "retrying", "retrying"
        SUCCEEDED = "succeeded", "succeeded"
        DEGRADED = "degraded", "degraded"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    UNFINISHED = (State.QUEUED, State.RUNNING, State.RETRYING)

    id = models.UUIDField(primary_key=True, default=new_run_id, editable=False)
    kind = models.CharField(max_length=32, help_text="which workflow (kinds.py)")
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    # Typed as if it were always there: whoever asks for it knows by the kind that it is.
    sign_in: models.OneToOneField[SignIn | None, SignIn] = models.OneToOneField(  # type: ignore[misc]
        SignIn, models.CASCADE, null=True, related_name="run"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        related_name="runs",
        db_index=False,
        help_text="whom it is about, where that is no sign-in",
    )
    facts = models.JSONField(null=True, help_text="what it is about, where that is no sign-in: ids and small facts")
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
    asked = models.BooleanField(default=False, db_default=False, help_text="an operator wants it published again")
    healed = models.PositiveIntegerField(
        default=0, db_default=0, help_text="how often it was published again without anybody asking for it"
    )
    recover_at = models.DateTimeField(help_text="when recovery looks at it, unless it finished before")
    resumed = models.PositiveIntegerField(default=0, help_text="how often it was gone on with after it had ended")
    resumed_at = models.DateTimeField(null=True, help_text="when it was so the last time")
    results = models.JSONField(null=True, help_text="where Celery keeps its results: the tuple of the last publication")

    class Meta:
        indexes = [
            models.Index(
                fields=["recover_at", "id"],
                condition=models.Q(state__in=["queued", "running", "retrying"]),
                name="run_unfinished_by_recover_at",
            ),
            models.Index(
                fields=["finished_at"], condition=models.Q(finished_at__isnull=False), name="run_ended_lately"
            ),
            # One each: of one for both, PostgreSQL thinks no better than of the next, which holds all of a state.
            models.Index(fields=["finished_at"], condition=models.Q(state="degraded"), name="run_degraded_lately"),
            models.Index(fields=["finished_at"], condition=models.Q(state="failed"), name="run_failed_lately"),
            # In the order of the admin's list.
            models.Index(
                fields=["state", "sign_in"],
                condition=models.Q(state__in=["degraded", "failed", "cancelled"]),
                name="run_by_rare_state",
            ),
            models.Index(
                fields=["user", "created_at"], condition=models.Q(user__isnull=False), name="run_of_no_sign_in"
            ),
            models.Index(fields=["created_at"], condition=models.Q(sign_in=None), name="run_of_no_sign_in_by_age"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(sign_in__isnull=False, user=None) | models.Q(sign_in=None, user__isnull=False),
                name="run_is_of_one_thing",
            ),
        ]
        # For staff (steering/actions.py). Who sees a run without being staff is whom it is about, and steers nothing.
        permissions = [
            ("resume_run", "Can resume a failed run"),
            ("retry_step", "Can have a step tried again at once"),
            ("skip_step", "Can have a run go on without a step"),
            ("cancel_run", "Can cancel a run"),
            ("run_again", "Can have a run do what it left out"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("workflows:run", args=[self.pk])

    @property
    def is_finished(self) -> bool:
        return self.state not in self.UNFINISHED

    @property
    def owner(self) -> User:
        """Whom it is about."""
        return self.sign_in.user if self.sign_in_id else cast(User, self.user)


class Step(models.Model):
    """One step of a run: written with the run, then moved by guarded updates only (ledger.py)."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        RETRYING = "retrying", "retrying"
        SUCCEEDED = "succeeded", "succeeded"
        SKIPPED = "skipped", "skipped"
        FAILED = "failed", "failed"

    OPEN = (State.WAITING, State.RUNNING, State.RETRYING)
    DONE = (State.SUCCEEDED, State.SKIPPED)

    # Without an index of its own: the constraint's begins with it.
    run = models.ForeignKey(Run, models.CASCADE, related_name="steps", db_index=False)
    name = models.CharField(max_length=32)
    # A run's messages are looked for in the queues of the steps that are its next.
    stage = models.PositiveSmallIntegerField(default=0, help_text="the steps of earlier stages come before it")
    queue = models.CharField(max_length=32, default="sign_in", help_text="where its message waits for a worker")
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(null=True, help_text="when it was first attempted")
    attempted_at = models.DateTimeField(null=True, help_text="when it was last attempted")
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


class Attempt(models.Model):
    """An attempt at a step that did not do it. The one that did is the step's last, which its row tells of."""

    class Outcome(models.TextChoices):
        """What was put off asked for it; what was hindered could not help it: by the database, or its time limit."""

        PUT_OFF = "put_off", "put off"
        HINDERED = "hindered", "put off"
        FAILED = "failed", "failed"
        KILLED = "killed", "killed"

    step = models.ForeignKey(Step, models.CASCADE, related_name="failed_attempts", db_index=False)
    number = models.PositiveIntegerField(help_text="of the step's attempts")
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(help_text="where it was killed: when that was found out")
    next_at = models.DateTimeField(null=True, help_text="when the next one was to be, where that was known")
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["step", "number"], name="one_attempt_of_a_number_a_step")]

    def __str__(self) -> str:
        return f"attempt {self.number} at {self.step_id}"


class CallbackCall(models.Model):
    """Celery called an error callback of a run's canvas: at which level, and for which step."""

    class Level(models.TextChoices):
        TASK = "task", "a task"
        MEMBER = "member", "a member of the group"
        GROUP = "group", "the group"
        CHAIN = "chain", "the whole chain"

    class Reason(models.TextChoices):
        FAILED = "failed", "it failed for good"
        INTERRUPTED = "interrupted", "its process was killed"

    run = models.ForeignKey(Run, models.CASCADE, related_name="callback_calls", db_index=False)
    level = models.CharField(max_length=16, choices=Level.choices)
    step = models.CharField(max_length=32, blank=True, help_text="empty where the ledger does not tell which")
    reason = models.CharField(max_length=16, choices=Reason.choices)
    resumed = models.PositiveIntegerField(default=0, help_text="how often the run had been resumed by then")
    calls = models.PositiveIntegerField(default=1, help_text="how often Celery called it, which counts once")
    called_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "level", "step", "reason", "resumed"], name="one_callback_a_level_and_step"
            )
        ]

    def __str__(self) -> str:
        return f"{self.level} callback of {self.run_id}"


class Chord(models.Model):
    """A group whose members have not all ended, or have and the task behind them is still to be published.

    It belongs to the result backend (results/backend.py): with it, "the last member has ended" and "the body is to
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


class Breaker(models.Model):
    """What is not asked for a while because it did not answer: one row for all workers (breakers.py)."""

    name = models.CharField(max_length=255, unique=True)
    failures = models.PositiveIntegerField(default=0, help_text="in a row")
    failing_since = models.DateTimeField(null=True, help_text="when the first of these was")
    opened_at = models.DateTimeField(null=True, help_text="empty while it is closed")
    probe_at = models.DateTimeField(null=True, help_text="when it is asked again, by one, to see whether it is back")
    probing = models.BooleanField(default=False, help_text="one asks, until then at most")
    closed_at = models.DateTimeField(null=True, help_text="when it was last found to be back")

    def __str__(self) -> str:
        return self.name


class Alert(models.Model):
    """Something that a person has to look at; operators are told by mail, many at a time (alerting/alerts.py)."""

    class Kind(models.TextChoices):
        RUN_FAILED = "run_failed", "a run failed"
        RUNS_STUCK = "runs_stuck", "runs take too long"
        BREAKER_OPENED = "breaker_opened", "a breaker opened"
        DEAD_LETTER = "dead_letter", "a message was dropped"
        UNANSWERED = "unanswered", "a notice is unanswered"
        NOTICE_NOT_MADE = "notice_not_made", "a notice could not be made"

    kind = models.CharField(max_length=32, choices=Kind.choices)
    run = models.ForeignKey(Run, models.CASCADE, null=True, related_name="alerts")
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    told_at = models.DateTimeField(null=True, help_text="when the mail that names it was handed over")
    posted_at = models.DateTimeField(null=True, help_text="when the webhook that names it was taken")

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["id"], condition=models.Q(told_at=None), name="alert_untold"),
            # By their age: without a webhook they are all of them, and nobody looks at the old ones.
            models.Index(fields=["created_at"], condition=models.Q(posted_at=None), name="alert_unposted"),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()


class Period(models.Model):
    """A minute or an hour of the site, counted (figures.py)."""

    class Span(models.TextChoices):
        MINUTE = "minute", "a minute"
        HOUR = "hour", "an hour"

    span = models.CharField(max_length=8, choices=Span.choices)
    began_at = models.DateTimeField()
    counts = models.JSONField(help_text="how many, by what")
    durations = models.JSONField(help_text="how many runs, by the step of their duration")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["span", "began_at"], name="one_period_of_a_span_a_moment")]

    def __str__(self) -> str:
        return f"{self.get_span_display()} from {self.began_at:%Y-%m-%d %H:%M}"


def task_id_of(run_id: uuid.UUID | str, step_name: str) -> str:
    """The Celery id of a step's task: it follows from the run, so a step's result is found without a look-up."""
    return f"{run_id}.{step_name}"
