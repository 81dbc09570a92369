"""The rows that told sign-ins leave: those which the site would have written, as it stands once all has ended.

Celery's own results are left out: they are of no use to a demonstration, and expire.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from math import exp
from random import Random
from statistics import NormalDist
from typing import Any, NamedTuple

from django.db.models import Model

from accounts.models import Notice, SecurityEvent, SignIn, Verdict
from loginwatch.simulation.cast import address_in
from loginwatch.simulation.judging import Assessment, assess
from loginwatch.simulation.story import FailedSignIn, Keys, Told, ToldSignIn
from loginwatch.simulation.tables import Block, Line, table_of
from workflows import kinds
from workflows.models import Run, Step

# Of a thousand notices so many waited for the mail server.
LATE = 5
# Microseconds that a step takes, in the middle, and how many times as long it can be; and those before it.
USUAL = {
    "check_device": 9_000,
    "notify_user": 12_000,
    "save_event": 6_000,
    "post_to_risk_api": 14_000,
    "post_process": 8_000,
}
SPREAD = [exp(NormalDist(0, 0.5).inv_cdf((part + 0.5) / 1000)) for part in range(1000)]
STEP_GAP = 4_000
REFUSAL = "RiskApiRefused: the risk service answered 422: no such version"
MILLISECOND = timedelta(milliseconds=1)
EPOCH = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)
# JSON, of plain words and numbers; json.dumps would take longer than all the rest of a row.
DEVICE_FOUND = '{"device": %d, "status": "%s", "reason": "%s"}'
NOTICE_SENT = '{"notice": "%s"}'
EVENT_SAVED = '{"event": %d, "recent_failures": %d}'
ASSESSED = '{"id": "%s", "score": %d, "level": "%s", "decision": "%s", "reasons": %s}'
PROCESSED = '{"verdict": %d, "decision": "%s", "action": "%s"}'
SIGNED_IN = '{"device": "%s on %s", "status": "%s"}'
FLAGGED = '{"verdict": "%s", "score": %d}'


class Batch(NamedTuple):
    """Some of what was told, and all that its rows follow from. ``keys``: of the first row of each table."""

    day: int
    seed: str
    site_host: str
    keys: Keys
    told: list[Told]


def rows_of(batch: Batch) -> dict[type[Model], Block]:
    writer = _Writer(batch)
    for told in batch.told:
        writer.write(told)
    return {model: table_of(model).block(lines) for model, lines in writer.lines.items()}


class _Writer:
    def __init__(self, batch: Batch) -> None:
        self.lines: defaultdict[type[Model], list[Line]] = defaultdict(list)
        self._keys = dict(batch.keys)
        self._random = Random(batch.seed)  # noqa: S311  a story, not a secret
        self._host = batch.site_host
        self._planned = kinds.get("sign_in").steps

    def write(self, told: Told) -> None:
        if isinstance(told, FailedSignIn):
            address = address_in(told.prefix, self._random)
            self._add(SecurityEvent, kind="sign_in_failed", user=told.user, ip_address=address, created_at=told.at)
        else:
            self._sign_in(told)

    def _sign_in(self, told: ToldSignIn) -> None:
        address = address_in(told.prefix, self._random)
        self._add(
            SignIn,
            user=told.user,
            created_at=told.at,
            ip_address=address,
            user_agent=told.user_agent,
            presented_token=told.presented,
            issued_token=told.issued,
            device=told.device,
            device_status=told.status,
            device_reason=told.reason,
            browser=told.browser,
            os=told.os,
            country=told.country,
            place=told.place,
        )
        event = self._add(
            SecurityEvent,
            kind="signed_in",
            user=told.user,
            sign_in=told.sign_in,
            ip_address=address,
            created_at=told.at,
            details=SIGNED_IN % (told.browser, told.os, told.status),
        )
        self._workflow(told, event)

    def _workflow(self, told: ToldSignIn, event: int) -> None:
        run = _run_id(told.at, self._random)
        notice = "not_needed"
        if told.has_notice:
            notice = "handed_over" if self._random.random() * 1000 < LATE else "sent"
        results = {
            "check_device": DEVICE_FOUND % (told.device, told.status, told.reason),
            "notify_user": NOTICE_SENT % notice,
            "save_event": EVENT_SAVED % (event, told.failures),
        }
        if not told.run_failed:
            results |= self._judged(told, assess(told.codes, told.failures))
        ended = self._steps(run, told.at, results)
        if told.has_notice:
            late = timedelta(minutes=self._random.randrange(3, 90)) if notice == "handed_over" else timedelta()
            self._add(
                Notice,
                sign_in=told.sign_in,
                message_id=f"<{run}.notify_user@{self._host}>",
                state="sent",
                created_at=told.at,
                sent_at=ended + late,
            )
        self._add(
            Run,
            id=run,
            kind="sign_in",
            state="failed" if told.run_failed else "succeeded",
            sign_in=told.sign_in,
            created_at=told.at,
            started_at=told.at + timedelta(microseconds=STEP_GAP),
            finished_at=ended,
            published=1,
            published_at=told.at,
            recover_at=told.at + timedelta(seconds=20),
        )

    def _judged(self, told: ToldSignIn, said: Assessment) -> dict[str, str]:
        """The verdict and what was done about it; returns the results of its steps."""
        assessment = f"{self._random.getrandbits(64):016x}"
        verdict = self._add(
            Verdict,
            sign_in=told.sign_in,
            assessment_id=assessment,
            score=said.score,
            level=said.level,
            decision=said.decision,
            reasons=said.reasons,
            action=said.action,
            created_at=told.at + 60 * MILLISECOND,
        )
        if said.action == "flagged":
            self._add(
                SecurityEvent,
                kind="risk_flagged",
                user=told.user,
                sign_in=told.sign_in,
                created_at=told.at,
                details=FLAGGED % (said.decision, said.score),
            )
        return {
            "post_to_risk_api": ASSESSED % (assessment, *said[:3], said.reasons),
            "post_process": PROCESSED % (verdict, said.decision, said.action),
        }

    def _steps(self, run: str, at: datetime, results: dict[str, str]) -> datetime:
        """Writes them; returns when the last ended. The first without a result has failed, those after it wait."""
        began = ended = stage = 0
        spread = self._random.choices(SPREAD, k=len(results) + 1)
        for step in self._planned:
            if step.stage != stage:
                stage, began = step.stage, ended
            values: dict[str, Any] = {"run": run, "name": step.name, "stage": step.stage, "queue": step.queue}
            result = results.get(step.name)
            if result or step.name == "post_to_risk_api":
                end = began + STEP_GAP + int(USUAL[step.name] * spread.pop())
                ended = max(ended, end)
                values["attempts"] = 1
                values["started_at"] = values["attempted_at"] = str(at + timedelta(0, 0, began + STEP_GAP))
                values["finished_at"] = at + timedelta(0, 0, end)
                values |= {"state": "succeeded", "result": result} if result else {"state": "failed", "error": REFUSAL}
            self._add(Step, **values)
        return at + timedelta(0, 0, ended)

    def _add(self, model: type[Model], **values: Any) -> int:
        """A row with these values, by the names of its fields, and the fields' defaults; returns its key, 0 for text.

        JSON is given as text, moments as in tables.py.
        """
        key = 0
        if model is not Run:
            key = values["id"] = self._keys[model]
            self._keys[model] = key + 1
        self.lines[model].append(table_of(model).line(values))
        return key


def _run_id(at: datetime, random: Random) -> str:
    """As workflows/run_ids.py makes them, as text; uuid.UUID would take longer than all the rest of a row."""
    begin, rest = f"{(at - EPOCH) // MILLISECOND:012x}", f"{random.getrandbits(72):018x}"
    return f"{begin[:8]}-{begin[8:]}-7{rest[:3]}-a{rest[3:6]}-{rest[6:]}"
