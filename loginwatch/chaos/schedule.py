"""Which faults happen when: seeded, so that the same seed gives the same schedule."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from loginwatch.chaos.copy import Engine


class Kind(StrEnum):
    KILL_CHILD = "pool child killed"
    KILL_WORKER = "worker killed"
    KILL_BEAT = "beat killed"
    KILL_WEB = "web process killed"
    WIPE_BROKER = "Redis wiped"
    KILL_BROKER = "Redis killed"
    FREEZE_BROKER = "Redis frozen"
    RESTART_DATABASE = "PostgreSQL restarted"
    RISK_DOWN = "risk API down"
    RISK_500 = "risk API answers 500"
    RISK_SLOW = "risk API slow"
    RISK_GARBAGE = "risk API answers garbage"
    RISK_HUGE = "risk API answers at length"
    MAIL_DOWN = "mail server down"
    MAIL_SLOW = "mail server slow"
    MAIL_REFUSING = "mail server refuses"


@dataclass(frozen=True)
class Fault:
    """``at`` is in seconds from the start, ``lasts`` in seconds, 0 for what happens in an instant.

    ``target`` says which of several is hit, counted around: of the pool's children, of the workers, of the web's
    processes (0 is gunicorn's master).
    """

    at: float
    kind: Kind
    lasts: float = 0.0
    target: int = 0


# A lane is a part, whose faults come one after the other; those of different lanes may overlap. Of each group in it,
# a full schedule has all, a shorter one some, and at least one.
DATABASE_LANE = ((Kind.RESTART_DATABASE,) * 2,)
LANES = (
    ((Kind.KILL_CHILD,) * 6, (Kind.KILL_WORKER,) * 4),
    ((Kind.KILL_BEAT,),),
    ((Kind.KILL_WEB,) * 2,),
    ((Kind.WIPE_BROKER,) * 3, (Kind.KILL_BROKER,) * 2, (Kind.FREEZE_BROKER,)),
    ((Kind.RISK_DOWN, Kind.RISK_500, Kind.RISK_SLOW, Kind.RISK_GARBAGE, Kind.RISK_HUGE),),
    ((Kind.MAIL_DOWN, Kind.MAIL_SLOW, Kind.MAIL_REFUSING),),
)
INSTANTS = {kind for kind in Kind if kind.name.startswith(("KILL", "WIPE", "RESTART"))}
# Of the time, at the beginning and at the end, that is free of faults.
QUIET = 0.05
# Seconds from which on everything fits in, and below which not even one of each group does.
FULL_SECONDS = 120.0
LEAST_SECONDS = 20.0
SHORT_SHARE = 0.25


@dataclass(frozen=True)
class Pace:
    """Seconds: how long Redis is frozen, the least and the most of other faults, and what a part has to recover."""

    freeze: float
    lasts: tuple[float, float]
    recovery: float


FULL = Pace(freeze=20.0, lasts=(5.0, 15.0), recovery=6.0)
SHORT = Pace(freeze=5.0, lasts=(2.0, 4.0), recovery=3.0)


def schedule(*, seed: int, seconds: float, engine: Engine, short: bool = False) -> list[Fault]:
    """The faults of a run of ``seconds``, by time; the first and the last twentieth of it have none.

    From FULL_SECONDS on it is the full schedule, below that a part in proportion, with faults that are shorter; with
    ``short`` it is a quarter of it, however long the run. Raises ValueError below LEAST_SECONDS.
    """
    if seconds < LEAST_SECONDS:
        raise ValueError(f"{seconds:g} seconds are too short for a schedule of faults, which needs {LEAST_SECONDS:g}")
    share = SHORT_SHARE if short else min(1.0, seconds / FULL_SECONDS)
    pace = SHORT if short or seconds < FULL_SECONDS else FULL
    chance = random.Random(seed)  # noqa: S311  no secret
    lanes = (*LANES, DATABASE_LANE) if engine == "postgresql" else LANES
    faults = [fault for lane in lanes for fault in _place(_pick(lane, share, pace, chance), seconds, pace, chance)]
    return sorted(faults, key=lambda fault: fault.at)


def _pick(lane: Sequence[Sequence[Kind]], share: float, pace: Pace, chance: random.Random) -> list[Fault]:
    """Some of each group, in an order of chance, and not placed yet."""
    picked = []
    for group in lane:
        for number, kind in enumerate(chance.sample(group, math.ceil(len(group) * share))):
            picked.append(Fault(0.0, kind, _lasts(kind, pace, chance), target=number))
    chance.shuffle(picked)
    return picked


def _lasts(kind: Kind, pace: Pace, chance: random.Random) -> float:
    if kind in INSTANTS:
        return 0.0
    return pace.freeze if kind is Kind.FREEZE_BROKER else round(chance.uniform(*pace.lasts), 1)


def _place(faults: Sequence[Fault], seconds: float, pace: Pace, chance: random.Random) -> Iterator[Fault]:
    """In their order at times of chance, each with its time to recover behind it."""
    needed = [fault.lasts + pace.recovery for fault in faults]
    free = seconds * (1 - 2 * QUIET) - sum(needed)
    pauses = sorted(chance.uniform(0, free) for _ in faults)
    for number, fault in enumerate(faults):
        at = seconds * QUIET + pauses[number] + sum(needed[:number])
        yield Fault(round(at, 1), fault.kind, fault.lasts, fault.target)
