"""The figures of one trial, as a table for the terminal, a table for the documentation, or JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from loginwatch.chaos.audit import Audit, Flaw

# How many of a kind of flaw are named.
SHOWN = 10
NONE = "–"  # noqa: RUF001  it stands in a table


@dataclass(frozen=True)
class Figures:
    """``faults``: how many of each kind there were. Latencies in seconds, None where there was no such sign-in.

    ``to_last_run``, ``to_last_mail``: seconds from the end of the last fault; 0 where all was done by then, None where
    there was no fault or none such.
    """

    canvas: str
    database: str
    seed: int
    rate: float
    faults: Mapping[str, int]
    asked: int
    answered: int
    audit: Audit
    server_errors: int
    worst: float | None
    p99: float | None
    broker_worst: float | None
    broker_p99: float | None
    to_last_run: float | None
    to_last_mail: float | None

    @property
    def passed(self) -> bool:
        """Mails doubled under one Message-ID are left out: docs/reliability.md says why they cannot be excluded."""
        wrong = (self.audit.lost, self.audit.missing, self.audit.doubled, self.server_errors)
        return self.answered == self.asked and not any(wrong)


def as_text(figures: Figures) -> str:
    cells = columns(figures)
    width = max(map(len, cells))
    table = "\n".join(f"  {name:<{width}}  {value:>16}" for name, value in cells.items())
    parts = [_heading(figures), table, *_flaws(figures.audit)]
    return "\n\n".join(parts)


def as_markdown(figures: Figures) -> str:
    """One row and its head: rows of several trials go under one head."""
    cells = columns(figures)
    head = f"| canvas | {' | '.join(cells)} |\n|---{'|---' * len(cells)}|"
    return f"{_heading(figures)}\n\n{head}\n| {figures.canvas} | {' | '.join(cells.values())} |"


def as_json(figures: Figures) -> str:
    return json.dumps(asdict(figures) | {"passed": figures.passed}, indent=2)


def columns(figures: Figures) -> dict[str, str]:
    """What is shown of a trial, by its name."""
    audit = figures.audit
    return {
        "sign-ins answered": f"{figures.answered:,} of {figures.asked:,}",
        "sign-ins recorded": f"{audit.sign_ins:,}",
        "runs lost": f"{len(audit.lost):,}",
        "effects missing": f"{len(audit.missing):,}",
        "effects doubled": f"{len(audit.doubled):,}",
        "mails doubled": f"{audit.mails_doubled:,}",
        "5xx while the database was up": f"{figures.server_errors:,}",
        "worst sign-in": _milliseconds(figures.worst),
        "p99": _milliseconds(figures.p99),
        "worst in a broker fault": _milliseconds(figures.broker_worst),
        "p99 in a broker fault": _milliseconds(figures.broker_p99),
        "last fault to last run": _seconds(figures.to_last_run),
        "last fault to last mail": _seconds(figures.to_last_mail),
    }


def _heading(figures: Figures) -> str:
    faults = ", ".join(f"{count} {kind}" for kind, count in sorted(figures.faults.items())) or "none"
    return (
        f"{figures.asked:,} sign-ins, {figures.rate:g} a second, on {figures.database}, seed {figures.seed}, "
        f"{figures.canvas} canvas.\n{sum(figures.faults.values())} faults: {faults}."
    )


def _flaws(audit: Audit) -> list[str]:
    named = {"lost": audit.lost, "missing": audit.missing, "doubled": audit.doubled}
    return [f"{name.capitalize()}: {_summary(flaws)}" for name, flaws in named.items() if flaws]


def _summary(flaws: Sequence[Flaw]) -> str:
    counts = ", ".join(f"{count} {what}" for what, count in Counter(flaw.what for flaw in flaws).most_common(SHOWN))
    ids = sorted({flaw.sign_in for flaw in flaws if flaw.sign_in is not None})
    end = " …" if len(ids) > SHOWN else "."
    return f"{counts}. Sign-ins {', '.join(map(str, ids[:SHOWN]))}{end}" if ids else f"{counts}."


def _milliseconds(seconds: float | None) -> str:
    return NONE if seconds is None else f"{1000 * seconds:,.0f} ms"


def _seconds(seconds: float | None) -> str:
    return NONE if seconds is None else f"{seconds:,.1f} s"
