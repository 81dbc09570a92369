"""`manage.py recover`: publish again what stands still."""

from __future__ import annotations

import math
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from workflows import breakers
from workflows.recovery import recover_runs
from workflows.runs import reopen_failed_runs


class Command(BaseCommand):
    help = "Publish again the runs that should have moved and did not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--all", action="store_true", help="every unfinished run: the broker has lost what it held, or is new"
        )
        parser.add_argument(
            "--failed", action="store_true", help="failed runs too, from the step that failed: its cause is mended"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["failed"]:
            reopen_failed_runs()
        count = recover_runs(everything=options["all"], seconds=math.inf)
        for breaker in breakers.open_breakers():
            self.stdout.write(f"{breakers.described(breaker)}: what waits for it goes on by itself.")
        self.stdout.write(f"{count} run{'' if count == 1 else 's'} published again.")
