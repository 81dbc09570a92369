"""`manage.py recover`: publish again what stands still."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from workflows.recovery import recover_runs


class Command(BaseCommand):
    help = "Publish again the runs that should have moved and did not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--all", action="store_true", help="every unfinished run: the broker has lost what it held, or is new"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        everything: bool = options["all"]
        count = recover_runs(everything=True, most=sys.maxsize) if everything else recover_runs()
        self.stdout.write(f"{count} run{'' if count == 1 else 's'} published again.")
