"""`python manage.py chaos`: what is lost and what is doubled while everything goes wrong."""

from __future__ import annotations

import math
import signal
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from loginwatch.chaos import report
from loginwatch.chaos.copy import Engine
from loginwatch.chaos.interrupts import INTERRUPTS
from loginwatch.chaos.postgresql import NoPostgreSQL, find_binaries
from loginwatch.chaos.schedule import LEAST_SECONDS
from loginwatch.chaos.trial import Plan, run_trial
from loginwatch.demo.refusal import CannotStart

MOST_A_SECOND = 50.0
# As shells have it: 128 and the number of SIGINT.
INTERRUPTED = 130


FORMS = {"text": report.as_text, "markdown": report.as_markdown, "json": report.as_json}


class Command(BaseCommand):
    help = (
        "Starts a private copy of everything on spare ports, signs people in over HTTP, injects faults, waits, and "
        "counts what was lost or doubled. Ends with 1 where anything was. Docs: docs/reliability.md."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.usage = "%(prog)s [options]"
        parser.add_argument("--sign-ins", type=int, default=200, help="how many people sign in; 200")
        parser.add_argument("--seed", type=int, default=7, help="of the faults and of the mix of visitors; 7")
        parser.add_argument("--rate", type=float, default=4.0, help="sign-ins a second; 4, and two cores carry about 6")
        parser.add_argument(
            "--database", choices=["sqlite", "postgresql"], help="PostgreSQL where the machine has it, else SQLite"
        )
        parser.add_argument("--plain", action="store_true", help="with a plain Celery canvas, for comparison")
        parser.add_argument("--keep", metavar="FOLDER", type=Path, help="an empty or new folder, to keep the logs in")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", dest="form", action="store_const", const="json", help="the figures as JSON")
        form.add_argument("--markdown", dest="form", action="store_const", const="markdown", help="as a page's table")
        parser.set_defaults(form="text")

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_wrong(sign_ins=options["sign_ins"], rate=options["rate"])
        self.quiet = options["verbosity"] == 0
        try:
            with interrupted_once(), kept_or_thrown_away(options["keep"]) as folder:
                figures = run_trial(self._plan(folder, options), self._tell)
        except CannotStart as refusal:
            raise CommandError(str(refusal)) from refusal
        except KeyboardInterrupt:
            self._tell("Stopped; nothing of it runs any more.")
            raise SystemExit(INTERRUPTED) from None
        self.stdout.write(FORMS[options["form"]](figures))
        if not figures.passed:
            raise SystemExit(1)

    def _plan(self, folder: Path, options: dict[str, Any]) -> Plan:
        return Plan(
            folder=folder,
            database=options["database"] or self._best_database(),
            sign_ins=options["sign_ins"],
            rate=options["rate"],
            seed=options["seed"],
            plain=options["plain"],
        )

    def _best_database(self) -> Engine:
        try:
            find_binaries()
        except NoPostgreSQL as missing:
            self._tell(f"On SQLite, without the faults of a database server: {missing}")
            return "sqlite"
        return "postgresql"

    def _tell(self, line: str) -> None:
        if not self.quiet:
            self.stderr.write(line, self.style.NOTICE)
            self.stderr.flush()


@contextmanager
def interrupted_once() -> Iterator[None]:
    """In the block the first Ctrl-C ends everything in order, and another does not disturb that."""
    before = {number: signal.signal(number, _interrupt) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for one in INTERRUPTS:
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


def refuse_wrong(*, sign_ins: int, rate: float) -> None:
    """Raises CommandError where no trial can be made of these."""
    if not 0 < rate <= MOST_A_SECOND:
        raise CommandError(f"--rate must be above 0 and at most {MOST_A_SECOND:g} sign-ins a second, not {rate:g}.")
    if sign_ins / rate < LEAST_SECONDS:
        least = math.ceil(LEAST_SECONDS * rate)
        raise CommandError(f"--sign-ins must be at least {least} at {rate:g} a second: faults take time to happen.")


@contextmanager
def kept_or_thrown_away(keep: Path | None) -> Iterator[Path]:
    """The folder of the copy. Raises CommandError where ``keep`` is in use or cannot be made."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="loginwatch-chaos-") as folder:
            yield Path(folder)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        taken = any(keep.iterdir())
    except OSError as error:
        raise CommandError(f"--keep {keep} cannot be used: {error.strerror}.") from error
    if taken:
        raise CommandError(f"--keep {keep} must be a new or an empty folder: there is something in it.")
    yield keep
