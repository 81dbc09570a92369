"""What there is after the chaos: sign-ins and their effects, read from where each effect is kept.

A sign-in's outward traces (the risk service's keys, the mails' Message-IDs) begin with the id of its run, or, on the
plain canvas, which has no runs, with its own.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import environ
from django.contrib.sessions.models import Session
from django.db import connections

from accounts.models import Device, SecurityEvent, SignIn, Verdict
from accounts.notices import is_worth_a_notice
from workflows.models import Run

ALIAS = "private"
# A mail's Message-ID and recipient; two of the same are the same mail, twice.
Envelope: TypeAlias = tuple[str, str]


class Effect(StrEnum):
    RECOGNISED = "device recognised"
    DEVICE = "device made"
    EVENT = "event saved"
    MAIL = "mail received"
    ASSESSMENT = "assessment made"
    VERDICT = "verdict stored"
    FLAG = "flag raised"
    SESSION_END = "session ended"


class Mail(Protocol):
    """A mail that the mail server has accepted."""

    @property
    def message_id(self) -> str: ...
    @property
    def recipient(self) -> str: ...


@dataclass(frozen=True)
class Recorded:
    """A sign-in as it was recorded. ``undone``: why it counts as lost, "" where its run has ended well."""

    user: str
    address: str
    undone: str
    wanted: frozenset[Effect]


@dataclass(frozen=True)
class Evidence:
    """``recorded`` by the sign-in's id; ``found`` says how often each effect is there, by the sign-in's id, None where
    it is no sign-in's; ``mails``, how often each notice was accepted.
    """

    recorded: Mapping[int, Recorded]
    found: Mapping[Effect, Counter[int | None]]
    mails: Counter[Envelope]


@contextmanager
def private_database(url: str) -> Iterator[str]:
    """Yields the alias under which the database at ``url`` is reached while the block lasts."""
    config: dict[str, Any] = environ.Env.db_url_config(url)
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config["OPTIONS"] = {"timeout": 20}
    connections.databases[ALIAS] = connections.configure_settings({"default": {}, ALIAS: config})[ALIAS]
    try:
        yield ALIAS
    finally:
        connections[ALIAS].close()
        del connections[ALIAS], connections.databases[ALIAS]


def gather(alias: str, mails: Sequence[Mail], risk_store: Path, *, plain: bool) -> Evidence:
    """All that is to be known of the sign-ins in the database ``alias``."""
    related = SignIn.objects.using(alias).select_related("user", "run", "verdict")
    sign_ins = {sign_in.pk: sign_in for sign_in in related}
    owners = _owners(sign_ins)
    assessments = _assessments(risk_store)
    notices = _notices(mails, sign_ins, owners, _other_runs(alias))
    return Evidence(
        recorded={pk: _recorded(sign_in, plain=plain) for pk, sign_in in sign_ins.items()},
        found={
            Effect.RECOGNISED: Counter(pk for pk, sign_in in sign_ins.items() if sign_in.device_id),
            Effect.DEVICE: Counter(Device.objects.using(alias).values_list("first_sign_in", flat=True)),
            Effect.EVENT: _events(alias, SecurityEvent.Kind.SIGNED_IN),
            Effect.FLAG: _events(alias, SecurityEvent.Kind.RISK_FLAGGED),
            Effect.SESSION_END: _session_ends(alias, sign_ins),
            Effect.ASSESSMENT: Counter(owners.get(_owner_in(key)) for key in assessments),
            Effect.VERDICT: _verdicts(alias, assessments, owners),
            Effect.MAIL: Counter(notices.values()),
        },
        mails=Counter(envelope for envelope in map(_envelope, mails) if envelope in notices),
    )


def _owners(sign_ins: Mapping[int, SignIn]) -> dict[str, int]:
    """Sign-ins by what their outward traces begin with."""
    owners = {str(pk): pk for pk in sign_ins}
    return owners | {str(run.pk): pk for pk, sign_in in sign_ins.items() if (run := _run_of(sign_in))}


def _other_runs(alias: str) -> dict[str, str]:
    """Of the runs of no sign-in, whom each may mail, by what its outward traces begin with."""
    others = Run.objects.using(alias).filter(sign_in=None).values_list("pk", "user__email")
    return {str(run): email for run, email in others}


def _owner_in(trace: str) -> str:
    return trace.strip("<>").partition(".")[0]


def _run_of(sign_in: SignIn) -> Run | None:
    return getattr(sign_in, "run", None)


def _verdict_of(sign_in: SignIn) -> Verdict | None:
    return getattr(sign_in, "verdict", None)


def _recorded(sign_in: SignIn, *, plain: bool) -> Recorded:
    run, verdict = _run_of(sign_in), _verdict_of(sign_in)
    undone = _undone(run) if not plain else "" if verdict else "no verdict"
    wanted = frozenset(_wanted(sign_in, verdict, plain=plain))
    return Recorded(sign_in.user.username, sign_in.ip_address or "", undone, wanted)


def _undone(run: Run | None) -> str:
    if run is None:
        return "no run"
    return "" if run.state in (Run.State.SUCCEEDED, Run.State.DEGRADED) else f"run {run.state}"


def _wanted(sign_in: SignIn, verdict: Verdict | None, *, plain: bool) -> Iterator[Effect]:
    """The effects that this sign-in shall have, each once. The plain canvas knows nothing of follow-ups."""
    yield from (Effect.RECOGNISED, Effect.EVENT, Effect.ASSESSMENT, Effect.VERDICT)
    if sign_in.device_status == SignIn.DeviceStatus.NEW and sign_in.device_reason != SignIn.DeviceReason.UNTRUSTED:
        yield Effect.DEVICE
    if is_worth_a_notice(sign_in) or (verdict and verdict.is_high_risk and not plain):
        yield Effect.MAIL
    if verdict and verdict.decision != Verdict.Decision.ALLOW:
        yield Effect.FLAG
    if verdict and verdict.action == Verdict.Action.SESSION_ENDED:
        yield Effect.SESSION_END


def _events(alias: str, kind: SecurityEvent.Kind) -> Counter[int | None]:
    return Counter(SecurityEvent.objects.using(alias).filter(kind=kind).values_list("sign_in", flat=True))


def _session_ends(alias: str, sign_ins: Mapping[int, SignIn]) -> Counter[int | None]:
    """Those that the security log has, and whose session is indeed over."""
    ended = _events(alias, SecurityEvent.Kind.SESSION_ENDED)
    keys = {pk: sign_ins[pk].session_key for pk in ended if pk is not None}
    alive = set(Session.objects.using(alias).filter(pk__in=keys.values()).values_list("pk", flat=True))
    return Counter({pk: count for pk, count in ended.items() if pk is None or keys.get(pk) not in alive})


def _assessments(risk_store: Path) -> dict[str, str]:
    """The ids of the risk service's assessments, by the keys that it made them under."""
    with closing(sqlite3.connect(f"{risk_store.absolute().as_uri()}?mode=ro", uri=True)) as store:
        return {key: json.loads(body)["id"] for key, body in store.execute("SELECT key, body FROM answer")}


def _verdicts(alias: str, assessments: Mapping[str, str], owners: Mapping[str, int]) -> Counter[int | None]:
    """A verdict counts where the risk service made it for this sign-in."""
    made_for = {assessment: owners.get(_owner_in(key)) for key, assessment in assessments.items()}
    stored = Verdict.objects.using(alias).values_list("sign_in", "assessment_id")
    return Counter(sign_in for sign_in, assessment in stored if made_for.get(assessment) == sign_in)


def _notices(
    mails: Sequence[Mail], sign_ins: Mapping[int, SignIn], owners: Mapping[str, int], others: Mapping[str, str]
) -> dict[Envelope, int | None]:
    """Whose notice each mail is, None where it is no notice of the person it went to.

    The operators' are left out, and what workflows of another kind (``others``) tell those whom they are about.
    """
    people = {sign_in.user.email for sign_in in sign_ins.values()}
    notices: dict[Envelope, int | None] = {}
    for mail in mails:
        if others.get(_owner_in(mail.message_id)) == mail.recipient:
            continue
        owner = owners.get(_owner_in(mail.message_id))
        if owner is not None and sign_ins[owner].user.email == mail.recipient:
            notices[_envelope(mail)] = owner
        elif owner is not None or mail.recipient in people:
            notices[_envelope(mail)] = None
    return notices


def _envelope(mail: Mail) -> Envelope:
    return mail.message_id, mail.recipient
