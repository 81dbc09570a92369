"""How a sign-in is scored: a pure function of its facts and of what the person used before."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from riskapi.schema import AssessmentRequest, Client, Decision, Device, Level, Reason

NEW_DEVICE = 30
SUSPICIOUS_DEVICE = 40
NEW_NETWORK = 15
NEW_COUNTRY = 30
FAILURE = 10
FAILURES_MOST = 30
SCORE_MOST = 100
MEDIUM_FROM = 30
HIGH_FROM = 70

SUSPICIONS = {
    "os_changed": "The device was recognised, but its operating system is not the one it had.",
    "token_replayed": "The device showed an identity that had already been replaced, which happens when it was copied.",
}
NEW_DEVICE_TEXTS = {
    "untrusted": "This device has lost its trust: by a password reset, a sign-in denied or disowned, or its owner."
}
DECISIONS: dict[Level, Decision] = {"low": "allow", "medium": "challenge", "high": "deny"}


@dataclass(frozen=True)
class History:
    """What one subject used before: networks as `network_of` writes them, countries as ISO 3166 alpha-2."""

    networks: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Judgement:
    """What the rule found. `learn`: the sign-in's network and country count as used from now on."""

    score: int
    level: Level
    decision: Decision
    reasons: list[Reason]

    @property
    def learn(self) -> bool:
        return self.decision != "deny"


def judge(facts: AssessmentRequest, history: History) -> Judgement:
    """Score one sign-in from 0 to 100.

    `history` is what the subject used in earlier sign-ins, without this one. The numbers are not
    measured: no labelled sign-ins exist to fit them to. They are chosen so that these statements hold,
    and the first table of tests/riskapi/test_rule.py holds them:

    - A new network alone (15) stays low. Telephones and trains change networks all day.
    - A new device alone (30) or a new country with its network (45) is medium: a second factor is a fair
      price for something that happens a few times a year.
    - A suspicious device alone (40) is medium: a restored backup or an emulated browser can look like it.
      Together with a new device (70) it is high: what a copied cookie looks like.
    - New device, new country and new network together (75) are high. Network and country weigh this much
      because they are the features that the services Wiefling, Lo Iacono and Dürmuth probed were found to
      react to most ("Is This Really You?", IFIP SEC 2019).
    - Failures weigh 10 each, three of them as much as a new device, and stop there. Anybody can cause
      failures, so they never reach high on a device that is known, not even from a new network (45),
      nor on a new one (60): guessing badly, or mistyping on a new telephone, would lock a person out.

    A sign-in of which nothing is known to compare with (no history of that kind, no address, no country)
    gets no points for it: absence of knowledge is not evidence.

    A denied sign-in teaches nothing (`Judgement.learn`): otherwise whoever is denied once would come from
    a familiar network the second time. One that is only challenged does teach, because this service never
    hears how the challenge ended.
    """
    reasons = [
        *_device_reasons(facts.device),
        *_place_reasons(facts.client, history),
        *_failure_reasons(facts.recent_failures),
    ]
    score = min(SCORE_MOST, sum(reason.points for reason in reasons))
    level = level_of(score)
    return Judgement(score=score, level=level, decision=DECISIONS[level], reasons=reasons)


def level_of(score: int) -> Level:
    """Low up to 29, medium up to 69, high from 70; see `judge` for why there."""
    if score >= HIGH_FROM:
        return "high"
    return "medium" if score >= MEDIUM_FROM else "low"


def network_of(ip: str | None) -> str | None:
    """The network an address counts as: its /24 (IPv4) or /64 (IPv6), e.g. "192.0.2.0/24".

    A /64 is the smallest network an IPv6 site is given (RFC 4291, 2.5.1), and a person's devices share
    it; a /24 is the smallest IPv4 network that is routed on the Internet.
    """
    if ip is None:
        return None
    prefix = 64 if ":" in ip else 24
    return str(ipaddress.ip_network((ip, prefix), strict=False))


def _device_reasons(device: Device) -> Iterator[Reason]:
    # A person's first device has nothing to be new against.
    if device.status == "new" and device.reason != "first_device":
        text = NEW_DEVICE_TEXTS.get(device.reason, "This device has not signed in to this account before.")
        yield Reason(code="new_device", text=text, points=NEW_DEVICE)
    if device.reason in SUSPICIONS:
        yield Reason(code="suspicious_device", text=SUSPICIONS[device.reason], points=SUSPICIOUS_DEVICE)


def _place_reasons(client: Client, history: History) -> Iterator[Reason]:
    if _is_new(network_of(client.ip), history.networks):
        text = "This account has not been used from this network before."
        yield Reason(code="new_network", text=text, points=NEW_NETWORK)
    if _is_new(client.country, history.countries):
        text = f"This account has not been used from this country ({client.country}) before."
        yield Reason(code="new_country", text=text, points=NEW_COUNTRY)


def _is_new(value: str | None, used: frozenset[str]) -> bool:
    return value is not None and bool(used) and value not in used


def _failure_reasons(failures: int) -> Iterator[Reason]:
    if failures:
        counted = "One failed sign-in" if failures == 1 else f"{failures} failed sign-ins"
        text = f"{counted} came shortly before."
        yield Reason(code="recent_failures", text=text, points=min(FAILURES_MOST, FAILURE * failures))
