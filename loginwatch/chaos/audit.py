"""What the evidence says: which sign-ins were lost, which effects are missing, and which are there more than once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loginwatch.chaos.evidence import Effect, Evidence
from loginwatch.chaos.visitors import Visit


@dataclass(frozen=True)
class Flaw:
    """What is wrong with one sign-in: its id, and an effect or what else it is."""

    sign_in: int | None
    what: str


@dataclass(frozen=True)
class Audit:
    """``mails_doubled``: mails that the mail server accepted again under the same Message-ID."""

    sign_ins: int
    lost: tuple[Flaw, ...]
    missing: tuple[Flaw, ...]
    doubled: tuple[Flaw, ...]
    mails_doubled: int


def audit(evidence: Evidence, visits: Sequence[Visit]) -> Audit:
    """Count. Of an effect that is there three times, two are doubled; one that is no sign-in's is doubled as well."""
    return Audit(
        sign_ins=len(evidence.recorded),
        lost=(*_not_recorded(evidence, visits), *_not_ended(evidence)),
        missing=tuple(_missing(evidence)),
        doubled=tuple(_doubled(evidence)),
        mails_doubled=sum(count - 1 for count in evidence.mails.values()),
    )


def _not_recorded(evidence: Evidence, visits: Sequence[Visit]) -> Iterator[Flaw]:
    """Visits that were let in, and whose sign-in nobody knows of."""
    recorded = {(one.user, one.address) for one in evidence.recorded.values()}
    for visit in visits:
        if visit.answered and (visit.user, visit.address) not in recorded:
            yield Flaw(None, f"sign-in of {visit.user} from {visit.address} answered and not recorded")


def _not_ended(evidence: Evidence) -> Iterator[Flaw]:
    for sign_in, recorded in evidence.recorded.items():
        if recorded.undone:
            yield Flaw(sign_in, recorded.undone)


def _missing(evidence: Evidence) -> Iterator[Flaw]:
    for sign_in, recorded in evidence.recorded.items():
        for effect in sorted(recorded.wanted):
            if not evidence.found[effect][sign_in]:
                yield Flaw(sign_in, effect)


def _doubled(evidence: Evidence) -> Iterator[Flaw]:
    for effect, counts in evidence.found.items():
        for sign_in, count in counts.items():
            surplus = count - _wanted(evidence, effect, sign_in)
            yield from [Flaw(sign_in, effect)] * surplus


def _wanted(evidence: Evidence, effect: Effect, sign_in: int | None) -> int:
    recorded = evidence.recorded.get(sign_in) if sign_in is not None else None
    return int(recorded is not None and effect in recorded.wanted)
