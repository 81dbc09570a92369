"""People, what they sign in with, and what is known about each sign-in.

A foreign key has no index of its own (``db_index=False``) where another index begins with it. Indexes for the admin's
filters hold the rare values alone, in the order of the list: what many rows have is found among the newest of them.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower, Upper
from django.utils import timezone

from accounts.fields import LowerCaseEmailField

USER_AGENT_LENGTH = 1024
FAMILY_LENGTH = 64
PLACE_LENGTH = 128


class User(AbstractUser):
    email = LowerCaseEmailField("e-mail address", unique=True)
    # What other services know this person by: it says nothing and survives a change of name or address.
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    class Meta(AbstractUser.Meta):
        # PostgreSQL compares names in any case by their upper case, as allauth does when somebody signs in.
        indexes = [
            models.Index(Upper("username"), name="user_by_username_in_any_case"),
            # For the admin's filters: of the value that few have.
            models.Index(fields=["email"], condition=models.Q(is_staff=True), name="user_of_staff"),
            models.Index(fields=["email"], condition=models.Q(is_superuser=True), name="user_superuser"),
            models.Index(fields=["email"], condition=models.Q(is_active=False), name="user_inactive"),
        ]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_in_any_case"),
            models.UniqueConstraint(Lower("username"), name="user_username_unique_in_any_case"),
        ]


class Device(models.Model):
    """A browser that a person has signed in with."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="devices", db_index=False)
    # Unique: a sign-in makes at most one device, however often it is looked at.
    first_sign_in = models.OneToOneField("SignIn", models.SET_NULL, null=True, related_name="+")
    browser = models.CharField(max_length=FAMILY_LENGTH, blank=True)
    os = models.CharField(max_length=FAMILY_LENGTH, blank=True)
    network = models.CharField(max_length=64, blank=True, help_text="last seen from: a /24 or /64")
    untrusted_at = models.DateTimeField(
        null=True, help_text="a password reset, a sign-in denied or disowned, or its owner ended the trust in it"
    )
    disowned_at = models.DateTimeField(
        null=True, help_text="its owner has said that it was not them, and had no new password since"
    )
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["user", "browser", "os", "network"], name="device_by_family_and_network"),
            models.Index(fields=["first_seen_at"], name="device_by_age"),
            models.Index(
                fields=["first_seen_at"], condition=models.Q(untrusted_at__isnull=False), name="device_untrusted"
            ),
        ]

    def __str__(self) -> str:
        return device_name(browser=self.browser, os=self.os)


class SignIn(models.Model):
    """The fact of a sign-in, and what was found out about it afterwards."""

    class DeviceStatus(models.TextChoices):
        KNOWN = "known", "known"
        PROBABLY_KNOWN = "probably_known", "probably known"
        NEW = "new", "new"

    class DeviceReason(models.TextChoices):
        COOKIE = "cookie", "it brought this device's cookie"
        SAME_NETWORK = "same_network", "the same browser and system signed in from this network lately"
        FIRST_DEVICE = "first_device", "it is the first device of this account"
        NO_MATCH = "no_match", "it brought no cookie, and nothing like it signed in lately"
        OS_CHANGED = "os_changed", "it brought the cookie of a device with another operating system"
        TOKEN_REPLAYED = "token_replayed", "it brought a cookie that had been used up before"
        UNTRUSTED = "untrusted", "it lost its trust: by a password reset, a sign-in denied or disowned, or its owner"

    class Answer(models.TextChoices):
        MINE = "mine", "it was me"
        NOT_MINE = "not_mine", "it was not me"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="sign_ins", db_index=False)
    created_at = models.DateTimeField(default=timezone.now)
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    session_key = models.CharField(max_length=40, blank=True)
    # SHA-256 of the device cookie's id: the one the browser brought, and the one it was given instead.
    presented_token = models.CharField(max_length=64, blank=True)
    issued_token = models.CharField(max_length=64)

    device = models.ForeignKey(Device, models.SET_NULL, null=True, related_name="sign_ins")
    device_status = models.CharField(max_length=16, blank=True, choices=DeviceStatus.choices)
    device_reason = models.CharField(max_length=16, blank=True, choices=DeviceReason.choices)
    browser = models.CharField(max_length=FAMILY_LENGTH, blank=True)
    os = models.CharField(max_length=FAMILY_LENGTH, blank=True)
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166 alpha-2")
    place = models.CharField(max_length=PLACE_LENGTH, blank=True)
    answer = models.CharField(max_length=16, blank=True, choices=Answer.choices)
    answered_at = models.DateTimeField(null=True)
    emptied_at = models.DateTimeField(
        null=True, help_text="it is so old that nothing is known of it any longer but its device and its cookies"
    )

    class Meta:
        indexes = [
            models.Index(fields=["created_at"], condition=models.Q(emptied_at=None), name="sign_in_by_age"),
            models.Index(fields=["created_at"], condition=models.Q(emptied_at__isnull=False), name="sign_in_emptied"),
            models.Index(fields=["user", "-created_at", "-id"], name="sign_in_by_user"),
            models.Index(fields=["user"], condition=models.Q(device=None), name="sign_in_undecided"),
            models.Index(fields=["ip_address", "id"], name="sign_in_by_address"),
            models.Index(
                fields=["user", "presented_token"],
                condition=~models.Q(presented_token=""),
                name="sign_in_by_presented_token",
            ),
            models.Index(
                fields=["device_status", "id"],
                condition=models.Q(device_status__in=["new", "probably_known"]),
                name="sign_in_by_rare_status",
            ),
        ]
        # Not by the field's "unique", which has PostgreSQL keep another index, for texts that begin alike.
        constraints = [models.UniqueConstraint(fields=["issued_token"], name="one_sign_in_a_cookie")]

    def __str__(self) -> str:
        return f"sign-in {self.pk}"

    @property
    def device_name(self) -> str:
        return device_name(browser=self.browser, os=self.os)


class PasswordChange(models.Model):
    """The fact that a person's password was changed."""

    class How(models.TextChoices):
        CHANGED = "changed", "changed by who knew the old one"
        RESET = "reset", "reset by a link in a mail"
        SET = "set", "set for the first time"
        BY_OPERATOR = "by_operator", "set by an operator"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="password_changes")
    how = models.CharField(max_length=16, choices=How.choices)
    created_at = models.DateTimeField(default=timezone.now)
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    session_key = models.CharField(max_length=40, blank=True, help_text="the session that stays, if one does")

    class Meta:
        indexes = [
            models.Index(fields=["created_at"], name="password_change_by_age"),
            models.Index(fields=["how", "created_at"], name="password_change_by_how"),
        ]

    def __str__(self) -> str:
        return f"password change {self.pk}"


class EmailChange(models.Model):
    """The fact that the address that a person's mails go to was changed."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="email_changes", db_index=False)
    old = models.EmailField()
    new = models.EmailField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "created_at"], name="email_change_by_user"),
            models.Index(fields=["created_at"], name="email_change_by_age"),
        ]

    def __str__(self) -> str:
        return f"change of address {self.pk}"


class Notice(models.Model):
    """A mail that tells a person of a sign-in, a new password or a new address, or asks again; at most one of each."""

    class State(models.TextChoices):
        CLAIMED = "claimed", "being sent"
        HANDED_OVER = "handed_over", "will be sent when the mail server takes it"
        SENT = "sent", "sent"
        GIVEN_UP = "given_up", "could not be sent"

    # Of these it has one; who asks for either knows which.
    sign_in: models.OneToOneField[SignIn | None, SignIn] = models.OneToOneField(  # type: ignore[misc]
        SignIn, models.CASCADE, null=True, related_name="notice"
    )
    password_change: models.OneToOneField[PasswordChange | None, PasswordChange] = models.OneToOneField(  # type: ignore[misc]
        PasswordChange, models.CASCADE, null=True, related_name="notice"
    )
    email_change: models.OneToOneField[EmailChange | None, EmailChange] = models.OneToOneField(  # type: ignore[misc]
        EmailChange, models.CASCADE, null=True, related_name="notice"
    )
    follow_up_of: models.OneToOneField[Notice | None, Notice] = models.OneToOneField(  # type: ignore[misc]
        "self", models.CASCADE, null=True, related_name="follow_up", help_text="the one that nobody answered"
    )
    message_id = models.CharField(max_length=255, unique=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.CLAIMED)
    attempts = models.PositiveIntegerField(default=0, help_text="attempts since it was handed over")
    next_attempt_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    follow_up_at = models.DateTimeField(null=True, help_text="when it is followed up, unless it was answered by then")
    followed_up_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(state="handed_over"), name="notice_handed_over"
            ),
            models.Index(
                fields=["follow_up_at"],
                condition=models.Q(follow_up_at__isnull=False, followed_up_at=None),
                name="notice_to_follow_up",
            ),
            models.Index(fields=["created_at"], name="notice_by_age"),
            models.Index(
                fields=["state", "created_at"],
                condition=models.Q(state__in=["claimed", "handed_over", "given_up"]),
                name="notice_not_sent",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(sign_in__isnull=False, password_change=None, email_change=None, follow_up_of=None)
                | models.Q(sign_in=None, password_change__isnull=False, email_change=None, follow_up_of=None)
                | models.Q(sign_in=None, password_change=None, email_change__isnull=False, follow_up_of=None)
                | models.Q(sign_in=None, password_change=None, email_change=None, follow_up_of__isnull=False),
                name="notice_is_of_one_thing",
            ),
        ]

    def __str__(self) -> str:
        if self.follow_up_of_id:
            return f"follow-up of the {self.follow_up_of}"
        return f"notice of {self.about}"

    @property
    def user(self) -> User:
        """Whom it tells."""
        return self.about.user

    @property
    def about(self) -> SignIn | PasswordChange | EmailChange:
        """What it tells of, or asks about again."""
        if self.follow_up_of_id:
            return self.follow_up_of.about
        return self.sign_in or self.password_change or self.email_change


class SecurityEvent(models.Model):
    """A line of the security log: what happened to an account. It is never changed."""

    class Kind(models.TextChoices):
        SIGNED_IN = "signed_in", "signed in"
        SIGN_IN_FAILED = "sign_in_failed", "sign-in failed"
        RISK_FLAGGED = "risk_flagged", "risk flagged"
        SESSION_ENDED = "session_ended", "session ended"
        RISK_UNAVAILABLE = "risk_unavailable", "no verdict could be had"
        SIGN_IN_ANSWERED = "sign_in_answered", "a sign-in was answered for"
        PASSWORD_CHANGED = "password_changed", "password changed"
        EMAIL_CHANGED = "email_changed", "primary e-mail address changed"
        SESSIONS_ENDED = "sessions_ended", "other sessions ended"
        DEVICE_FORGOTTEN = "device_forgotten", "a device was forgotten"
        RUN_STEERED = "run_steered", "an operator acted on a run"
        BULK_JOB = "bulk_job", "an operator's bulk job"

    kind = models.CharField(max_length=32, choices=Kind.choices)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="security_events", db_index=False
    )
    sign_in = models.ForeignKey(SignIn, models.CASCADE, null=True, related_name="security_events", db_index=False)
    password_change = models.ForeignKey(
        PasswordChange, models.CASCADE, null=True, related_name="security_events", db_index=False
    )
    ip_address = models.GenericIPAddressField(null=True)
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            # In this order: the newest of a person are found among thousands, of a kind or not.
            models.Index(fields=["user", "-created_at", "kind"], name="security_event_of_user"),
            models.Index(fields=["ip_address", "id"], name="security_event_by_address"),
            models.Index(
                fields=["created_at"],
                condition=models.Q(sign_in=None, password_change=None),
                name="security_event_of_nothing_else",
            ),
            models.Index(fields=["created_at"], name="security_event_by_age"),
            models.Index(
                fields=["kind", "created_at"], condition=~models.Q(kind="signed_in"), name="security_event_by_kind"
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["sign_in", "kind"], name="one_security_event_of_a_kind_a_sign_in"),
            # Of those alone that have one: to all others it costs nothing.
            models.UniqueConstraint(
                fields=["password_change", "kind"],
                condition=models.Q(password_change__isnull=False),
                name="one_security_event_of_a_kind_a_change",
            ),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()


class Verdict(models.Model):
    """What the risk service said of a sign-in, and what was done about it."""

    class Level(models.TextChoices):
        LOW = "low", "low"
        MEDIUM = "medium", "medium"
        HIGH = "high", "high"

    class Decision(models.TextChoices):
        ALLOW = "allow", "allow"
        CHALLENGE = "challenge", "challenge"
        DENY = "deny", "deny"

    class Action(models.TextChoices):
        NOTHING = "nothing", "nothing had to be done"
        FLAGGED = "flagged", "flagged for the operators"
        SESSION_ENDED = "session_ended", "the session was ended"

    sign_in = models.OneToOneField(SignIn, models.CASCADE, related_name="verdict")
    assessment_id = models.CharField(max_length=64)
    score = models.PositiveSmallIntegerField(help_text="0 to 100")
    level = models.CharField(max_length=16, choices=Level.choices)
    decision = models.CharField(max_length=16, choices=Decision.choices)
    reasons = models.JSONField(default=list, help_text="list of {code, text, points}")
    action = models.CharField(max_length=16, choices=Action.choices)
    created_at = models.DateTimeField(default=timezone.now)
    earlier = models.JSONField(
        null=True, help_text="what it said before it was asked again: list of this model's values, the oldest first"
    )

    class Meta:
        # In the order of the list; of two values together the second is looked for in the index of the first.
        indexes = [
            models.Index(
                fields=["decision", "sign_in", "level", "action"],
                condition=models.Q(decision__in=["challenge", "deny"]),
                name="verdict_by_rare_decision",
            ),
            models.Index(
                fields=["level", "sign_in", "decision", "action"],
                condition=models.Q(level__in=["medium", "high"]),
                name="verdict_by_rare_level",
            ),
            models.Index(
                fields=["action", "sign_in", "decision", "level"],
                condition=models.Q(action__in=["flagged", "session_ended"]),
                name="verdict_by_rare_action",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_decision_display()} ({self.score})"

    @property
    def earlier_ones(self) -> list[Verdict]:
        """What the service said before, the newest first; these have no rows."""
        said = [one | {"created_at": datetime.fromisoformat(one["created_at"])} for one in self.earlier or []]
        return [Verdict(**one) for one in reversed(said)]

    @property
    def is_high_risk(self) -> bool:
        return self.level == self.Level.HIGH or self.decision == self.Decision.DENY


def device_name(*, browser: str, os: str) -> str:
    """What a person would call it: "Firefox on Linux"."""
    if browser and os:
        return f"{browser} on {os}"
    return browser or (f"a browser on {os}" if os else "an unknown device")
