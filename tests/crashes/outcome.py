"""What a run came to, read from where each of its effects is kept."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from django.contrib.sessions.models import Session

from accounts.models import Device, Notice, SecurityEvent, SignIn, Verdict
from workflows.models import Run, Step
from workflows.steps import Name


@dataclass(frozen=True)
class Outcome:
    """The defaults are those of a run that ended right, from a sign-in with a new device that was denied."""

    state: str = Run.State.SUCCEEDED
    steps: dict[str, str] = field(default_factory=lambda: dict.fromkeys(list(Name), Step.State.SUCCEEDED.value))
    devices: int = 1
    trusted: bool = False
    signed_in: bool = False
    events: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("signed_in", "risk_flagged", "session_ended"), 1)
    )
    verdicts: list[tuple[str, str]] = field(default_factory=lambda: [("deny", "session_ended")])
    notices: list[str] = field(default_factory=lambda: [Notice.State.SENT.value])
    # Of each Message-ID, how many mails were accepted.
    mails: list[int] = field(default_factory=lambda: [1])
    # Different posts, by key and body: the same post may have been repeated.
    assessments: int = 1


def outcome_of(run: Run, mails: list[EmailMessage], posts: list[tuple[dict[str, str], dict[str, Any]]]) -> Outcome:
    """``mails`` and ``posts`` (headers, body) are all that the mail server and the risk service took."""
    sign_in = SignIn.objects.select_related("user", "device", "run").get(run=run)
    events = SecurityEvent.objects.filter(sign_in=sign_in).values_list("kind", flat=True)
    accepted = Counter(mail["Message-ID"] for mail in mails if mail["To"] == sign_in.user.email)
    asked = {
        (headers["Idempotency-Key"], json.dumps(body))
        for headers, body in posts
        if body["sign_in"]["id"] == str(sign_in.pk)
    }
    return Outcome(
        state=sign_in.run.state,
        steps=dict(sign_in.run.steps.values_list("name", "state")),
        devices=Device.objects.filter(first_sign_in=sign_in).count(),
        trusted=sign_in.device is None or sign_in.device.untrusted_at is None,
        signed_in=Session.objects.filter(pk=sign_in.session_key).exists(),
        events=dict(Counter(events)),
        verdicts=list(Verdict.objects.filter(sign_in=sign_in).values_list("decision", "action")),
        notices=list(Notice.objects.filter(sign_in=sign_in).values_list("state", flat=True)),
        mails=list(accepted.values()),
        assessments=len(asked),
    )
