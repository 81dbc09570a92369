"""Doing a fault of the schedule to the private copy."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from loginwatch.chaos import mail, risk
from loginwatch.chaos.copy import WORKERS, PrivateCopy
from loginwatch.chaos.parts import Part, children_of
from loginwatch.chaos.schedule import Fault, Kind
from loginwatch.demo.waiting import wait_until

# Seconds in which a part that was killed before is back, at the latest.
LIMIT = 60.0
# Which parts have to be there for it.
TARGETS = {
    Kind.KILL_CHILD: WORKERS,
    Kind.KILL_WORKER: WORKERS,
    Kind.KILL_BEAT: ("beat",),
    Kind.KILL_WEB: ("web",),
    Kind.WIPE_BROKER: ("broker",),
    Kind.KILL_BROKER: ("broker",),
    Kind.FREEZE_BROKER: ("broker",),
}
RISK_MOODS = {
    Kind.RISK_DOWN: risk.Mood.DOWN,
    Kind.RISK_500: risk.Mood.ERROR,
    Kind.RISK_SLOW: risk.Mood.SLOW,
    Kind.RISK_GARBAGE: risk.Mood.GARBAGE,
    Kind.RISK_HUGE: risk.Mood.HUGE,
}
MAIL_MOODS = {
    Kind.MAIL_DOWN: mail.Mood.DOWN,
    Kind.MAIL_SLOW: mail.Mood.SLOW,
    Kind.MAIL_REFUSING: mail.Mood.REFUSING,
}


@dataclass(frozen=True)
class Injected:
    """``began`` and ``ended`` as time.time() gives them. What was killed may still be starting when it ended."""

    fault: Fault
    began: float
    ended: float


class NoTarget(Exception):
    """What the fault is for is not there, and did not come back within the limit."""


def inject(copy: PrivateCopy, fault: Fault) -> Injected:
    """Wait until its target is there, do it, and return when it is over, or the copy ends. Raises NoTarget."""
    targets = [copy.parts[name] for name in TARGETS.get(fault.kind, ())]
    _wait(copy, lambda: all(part.is_ready() for part in targets), fault)
    began = time.time()
    _do(copy, fault, targets)
    return Injected(fault, began, time.time())


def _wait(copy: PrivateCopy, condition: Callable[[], bool], fault: Fault) -> None:
    if not wait_until(lambda: copy.stopping.is_set() or condition(), limit=LIMIT):
        raise NoTarget(fault.kind)


def _do(copy: PrivateCopy, fault: Fault, targets: Sequence[Part]) -> None:
    match fault.kind:
        case Kind.WIPE_BROKER:
            with copy.broker_client() as client:
                client.flushall()
        case Kind.FREEZE_BROKER:
            _freeze(copy, fault, targets[0])
        case Kind.RESTART_DATABASE:
            copy.restart_database()
        case kind if kind in RISK_MOODS:
            copy.risk.become(RISK_MOODS[kind])
            copy.stopping.wait(fault.lasts)
            copy.risk.become(risk.Mood.WELL)
        case kind if kind in MAIL_MOODS:
            copy.mail.become(MAIL_MOODS[kind])
            copy.stopping.wait(fault.lasts)
            copy.mail.become(mail.Mood.WELL)
        case _:
            _wait(copy, lambda: _killed(fault, targets), fault)


def _freeze(copy: PrivateCopy, fault: Fault, part: Part) -> None:
    _wait(copy, lambda: part.signal(signal.SIGSTOP), fault)
    copy.stopping.wait(fault.lasts)
    part.signal(signal.SIGCONT)


def _killed(fault: Fault, targets: Sequence[Part]) -> bool:
    """With -9. A part whose own process is killed loses its children too, and is started again.

    False where there is nothing to kill now, or it has ended by itself just now.
    """
    pids = list(_processes(fault.kind, targets))
    try:
        if pids:
            os.kill(pids[fault.target % len(pids)], signal.SIGKILL)
    except ProcessLookupError:
        return False
    return bool(pids)


def _processes(kind: Kind, targets: Sequence[Part]) -> Iterator[int]:
    """The numbers of those of which one is killed."""
    for pid in (part.pid for part in targets):
        if pid is not None and kind is not Kind.KILL_CHILD:
            yield pid
        if pid is not None and kind in {Kind.KILL_CHILD, Kind.KILL_WEB}:
            yield from children_of(pid)
