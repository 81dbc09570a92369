"""The rows that a simulated visit leaves: those which the site would have written, as it stands once all has ended.

Celery's own results are left out: they are of no use to a demonstration, and expire.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime, timedelta
from random import Random
from typing import Any

from accounts.models import Device, Notice, SecurityEvent, SignIn, Verdict
from loginwatch.simulation.happening import Visit
from loginwatch.simulation.tables import Rows
from workflows import kinds
from workflows.models import Run, Step

# Points of the reference risk service's reasons, and from where a level begins (riskapi/rule.py).
POINTS = {"new_device": 30, "suspicious_device": 40, "new_network": 15, "new_country": 30}
TEXTS = {
    "new_device": "This device has not signed in to this account before.",
    "suspicious_device": "The device showed an identity that had already been replaced: it may have been copied.",
    "new_network": "This account has not been used from this network before.",
    "new_country": "This account has not been used from this country before.",
}
FAILURE, FAILURES_MOST, MEDIUM, HIGH = 10, 30, 30, 70
DECISIONS = {"low": "allow", "medium": "challenge", "high": "deny"}
# Seconds in which failures count, as in accounts/security_log.py.
FAILURES_WINDOW = timedelta(hours=1)
# Of notices: in a thousand so many waited for the mail server, and of runs failed for good.
LATE, FAILED = 5, 0.5
# Milliseconds that a step takes, in the middle: it is longer more often than shorter.
USUAL = {"check_device": 9, "notify_user": 12, "save_event": 6, "post_to_risk_api": 14, "post_process": 8}
STEP_GAP = 4


class Writer:
    """Follows what the site knows of each person, and makes the rows of one visit after another."""

    def __init__(self, rows: Rows, random: Random, site_host: str) -> None:
        self._rows = rows
        self._random = random
        self._host = site_host
        self._failures: defaultdict[int, list[datetime]] = defaultdict(list)
        self._lookalikes: dict[tuple[int, str, str, str], int] = {}

    def write(self, visit: Visit, at: datetime, day: int) -> None:
        if visit.failed:
            self._failures[visit.person.number].append(at)
            self._rows.add(
                SecurityEvent,
                kind="sign_in_failed",
                user=visit.person.number,
                ip_address=visit.network.address(self._random),
                created_at=at,
            )
        else:
            self._sign_in(visit, at, day)
        self._rows.flush_where_many()

    def _sign_in(self, visit: Visit, at: datetime, day: int) -> None:
        person, machine, network = visit.person, visit.machine, visit.network
        address = network.address(self._random)
        cookie = machine.token if visit.cookie == " " else visit.cookie
        status, reason, device = self._decide(visit, cookie)
        token = f"{self._random.getrandbits(256):064x}"
        sign_in = self._rows.next_id(SignIn)
        if not device:
            device = self._rows.add(
                Device,
                user=person.number,
                first_sign_in=sign_in,
                browser=machine.browser,
                os=machine.os,
                network=network.name,
                first_seen_at=at,
                last_seen_at=at,
            )
        if not visit.is_attack:
            machine.old_token, machine.token, machine.device = machine.token, token, device
            self._lookalikes[person.number, machine.browser, machine.os, network.name] = device
        self._rows.add(
            SignIn,
            user=person.number,
            created_at=at,
            ip_address=address,
            user_agent=machine.user_agent_on(day),
            presented_token=cookie,
            issued_token=token,
            device=device,
            device_status=status,
            device_reason=reason,
            browser=machine.browser,
            os=machine.os,
            country=network.country,
            place=network.place,
        )
        self._workflow(visit, sign_in, at, address, status, reason, device)

    def _decide(self, visit: Visit, cookie: str) -> tuple[str, str, int]:
        """Status, reason and device, 0 for one that is to be made; by the rules of accounts/devices.py."""
        person, machine = visit.person, visit.machine
        if visit.is_attack and cookie:
            return "new", "token_replayed", 0
        if cookie:
            return "known", "cookie", machine.device
        known = self._lookalikes.get((person.number, machine.browser, machine.os, visit.network.name))
        if known:
            return "probably_known", "same_network", known
        return "new", "no_match" if person.networks else "first_device", 0

    def _workflow(
        self, visit: Visit, sign_in: int, at: datetime, address: str, status: str, reason: str, device: int
    ) -> None:
        random, user = self._random, visit.person.number
        run = uuid(random)
        failures = self._failures_before(user, at)
        score, reasons = self._score(visit, status, reason, failures)
        level = "high" if score >= HIGH else "medium" if score >= MEDIUM else "low"
        decision = DECISIONS[level]
        action = "nothing" if decision == "allow" else "flagged"
        event = self._rows.add(
            SecurityEvent,
            kind="signed_in",
            user=user,
            sign_in=sign_in,
            ip_address=address,
            created_at=at,
            details=json.dumps({"device": f"{visit.machine.browser} on {visit.machine.os}", "status": status}),
        )
        notice = "not_needed"
        if status == "new" and reason != "first_device":
            notice = "handed_over" if random.random() * 1000 < LATE else "sent"
        failed = random.random() * 1000 < FAILED
        results: dict[str, dict[str, Any]] = {
            "check_device": {"device": device, "status": status, "reason": reason},
            "notify_user": {"notice": notice},
            "save_event": {"event": event, "recent_failures": failures},
            "post_to_risk_api": {"id": f"{random.getrandbits(64):016x}", "score": score, "level": level,
                                 "decision": decision, "reasons": reasons},
        }  # fmt: skip
        if not failed:
            verdict = self._rows.add(
                Verdict,
                sign_in=sign_in,
                assessment_id=results["post_to_risk_api"]["id"],
                score=score,
                level=level,
                decision=decision,
                reasons=json.dumps(reasons),
                action=action,
                created_at=at + timedelta(milliseconds=60),
            )
            results["post_process"] = {"verdict": verdict, "decision": decision, "action": action}
            if action == "flagged":
                details = json.dumps({"verdict": decision, "score": score})
                self._rows.add(
                    SecurityEvent, kind="risk_flagged", user=user, sign_in=sign_in, created_at=at, details=details
                )
        ended = self._steps(run, at, results, failed=failed)
        if notice != "not_needed":
            late = timedelta(minutes=random.randrange(3, 90)) if notice == "handed_over" else timedelta()
            self._rows.add(
                Notice,
                sign_in=sign_in,
                message_id=f"<{run}.notify_user@{self._host}>",
                state="sent",
                created_at=at,
                sent_at=ended + late,
            )
        self._rows.add(
            Run,
            id=run,
            kind="sign_in",
            state="failed" if failed else "succeeded",
            sign_in=sign_in,
            created_at=at,
            started_at=at + timedelta(milliseconds=STEP_GAP),
            finished_at=ended,
            published=1,
            published_at=at,
            recover_at=at + timedelta(seconds=20),
        )
        if not visit.is_attack or decision != "deny":
            visit.person.networks.add(visit.network.name)
            visit.person.countries.add(visit.network.country)

    def _steps(self, run: str, at: datetime, results: dict[str, dict[str, Any]], *, failed: bool) -> datetime:
        """Writes them; returns when the last ended."""
        began, stage = at, 0
        ends = [at]
        for step in kinds.get("sign_in").steps:
            if step.stage != stage:
                stage, began = step.stage, max(ends)
            took = self._random.lognormvariate(0, 0.5) * USUAL[step.name]
            begun = began + timedelta(milliseconds=STEP_GAP)
            end = begun + timedelta(milliseconds=took)
            done = step.name in results and not (failed and step.name == "post_to_risk_api")
            refused = failed and step.name == "post_to_risk_api"
            attempted = done or refused
            if attempted:
                ends.append(end)
            self._rows.add(
                Step,
                run=run,
                name=step.name,
                stage=step.stage,
                queue=step.queue,
                state="succeeded" if done else "failed" if refused else "waiting",
                attempts=int(attempted),
                started_at=begun if attempted else None,
                attempted_at=begun if attempted else None,
                finished_at=end if attempted else None,
                result=json.dumps(results[step.name]) if done else None,
                error="RiskApiRefused: the risk service answered 422: no such version" if refused else "",
            )
        return max(ends)

    def _failures_before(self, user: int, at: datetime) -> int:
        lately = [moment for moment in self._failures.pop(user, ()) if moment > at - FAILURES_WINDOW]
        if lately:
            self._failures[user] = lately
        return len(lately)

    def _score(self, visit: Visit, status: str, reason: str, failures: int) -> tuple[int, list[dict[str, Any]]]:
        person, network = visit.person, visit.network
        codes = []
        if status == "new" and reason != "first_device":
            codes.append("new_device")
        if reason == "token_replayed":
            codes.append("suspicious_device")
        if person.networks and network.name not in person.networks:
            codes.append("new_network")
        if person.countries and network.country not in person.countries:
            codes.append("new_country")
        reasons = [{"code": code, "text": TEXTS[code], "points": POINTS[code]} for code in codes]
        if failures:
            points = min(FAILURES_MOST, FAILURE * failures)
            reasons.append({"code": "recent_failures", "text": f"{failures} failed before.", "points": points})
        return min(100, sum(int(str(one["points"])) for one in reasons)), reasons


def uuid(random: Random) -> str:
    """A version 4 one, as text; uuid.UUID would take longer than all the rest of a row."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
