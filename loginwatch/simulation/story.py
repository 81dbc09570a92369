"""What the site makes of one visit after another: what it knows by then decides, so it is told in their order."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from random import Random
from typing import NamedTuple, TypeAlias

from django.db.models import Model

from accounts.devices import RECENT
from accounts.models import Device, Notice, SecurityEvent, SignIn, Verdict
from accounts.security_log import FAILURES_WINDOW
from loginwatch.simulation.cast import KnownDevice, Person
from loginwatch.simulation.happening import Visit
from loginwatch.simulation.judging import assess
from workflows import kinds
from workflows.models import Step

# Of a thousand runs so many failed for good.
FAILED = 0.5

# The key that each model's next row has.
Keys: TypeAlias = dict[type[Model], int]


class FailedSignIn(NamedTuple):
    """``prefix``: of the address that it came from."""

    at: datetime
    user: int
    prefix: str


class ToldSignIn(NamedTuple):
    """What was found out about a sign-in; all its rows follow from it. ``sign_in`` and ``device`` are keys."""

    at: datetime
    user: int
    sign_in: int
    device: int
    status: str
    reason: str
    browser: str
    os: str
    user_agent: str
    prefix: str
    country: str
    place: str
    presented: str
    issued: str
    codes: tuple[str, ...]
    failures: int
    run_failed: bool

    @property
    def has_notice(self) -> bool:
        return self.status == "new" and self.reason != "first_device"


Told: TypeAlias = FailedSignIn | ToldSignIn


class Story:
    """``keys`` are counted on by as many rows as what was told will have (rows.py)."""

    def __init__(self, keys: Keys, random: Random) -> None:
        self.keys = keys
        self._random = random
        self._failures: defaultdict[int, list[datetime]] = defaultdict(list)
        self._steps = len(kinds.get("sign_in").steps)

    def tell(self, visit: Visit, at: datetime, day: int) -> Told:
        if visit.failed:
            self._failures[visit.person.number].append(at)
            self._next(SecurityEvent)
            return FailedSignIn(at, visit.person.number, visit.network.prefix)
        return self._sign_in(visit, at, day)

    def _sign_in(self, visit: Visit, at: datetime, day: int) -> Told:
        person, machine, network = visit.person, visit.machine, visit.network
        cookie = machine.token if visit.cookie == " " else visit.cookie
        sign_in = self._next(SignIn)
        status, reason, device = self._decide(visit, at, cookie)
        if not device:
            device = KnownDevice(self._next(Device), machine.browser, machine.os, network.name, sign_in, at, at)
            person.devices.append(device)
        device.network, device.last_seen_at = network.name, at
        issued = f"{self._random.getrandbits(256):064x}"
        if not visit.is_attack:
            machine.token, machine.device, machine.old_token = issued, device, cookie or machine.old_token
        told = ToldSignIn(
            at=at,
            user=person.number,
            sign_in=sign_in,
            device=device.number,
            status=status,
            reason=reason,
            browser=machine.browser,
            os=machine.os,
            user_agent=machine.user_agent_on(day),
            prefix=network.prefix,
            country=network.country,
            place=network.place,
            presented=cookie,
            issued=issued,
            codes=tuple(_codes(visit, status, reason)),
            failures=self._failures_before(person.number, at),
            run_failed=self._random.random() * 1000 < FAILED,
        )
        self._remember(visit, told)
        return told

    def _decide(self, visit: Visit, at: datetime, cookie: str) -> tuple[str, str, KnownDevice | None]:
        """Status, reason and device, None for one that is to be made; by the rules of accounts/devices.py."""
        person, machine = visit.person, visit.machine
        if visit.is_attack and cookie:
            return "new", "token_replayed", None
        if cookie:
            return "known", "cookie", machine.device
        if known := _lookalike(person, machine.browser, machine.os, visit.network.name, at):
            return "probably_known", "same_network", known
        return "new", "no_match" if person.devices else "first_device", None

    def _remember(self, visit: Visit, told: ToldSignIn) -> None:
        person, verdict = visit.person, assess(told.codes, told.failures)
        person.last_sign_in = told.at
        if not visit.is_attack or verdict.decision != "deny":
            person.networks.add(visit.network.name)
            person.countries.add(visit.network.country)
        self.keys[SecurityEvent] += 1 if told.run_failed or verdict.action == "nothing" else 2
        self.keys[Verdict] += not told.run_failed
        self.keys[Notice] += told.has_notice
        self.keys[Step] += self._steps

    def _failures_before(self, user: int, at: datetime) -> int:
        lately = [moment for moment in self._failures.pop(user, ()) if moment > at - FAILURES_WINDOW]
        if lately:
            self._failures[user] = lately
        return len(lately)

    def _next(self, model: type[Model]) -> int:
        key = self.keys[model]
        self.keys[model] = key + 1
        return key


def _lookalike(person: Person, browser: str, os: str, network: str, at: datetime) -> KnownDevice | None:
    alike = [
        device
        for device in person.devices
        if (device.browser, device.os, device.network) == (browser, os, network) and device.last_seen_at >= at - RECENT
    ]
    return max(alike, key=lambda device: device.last_seen_at, default=None)


def _codes(visit: Visit, status: str, reason: str) -> list[str]:
    """Of the reasons for which a sign-in is risky (judging.py)."""
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
    return codes
