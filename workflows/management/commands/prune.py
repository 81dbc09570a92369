"""`manage.py prune`: delete what is kept no longer."""

from __future__ import annotations

import math
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from workflows import retention


class Command(BaseCommand):
    help = "Delete what is older than the site keeps it (RETENTION_*), as beat has it done every minute."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="count what is due (but devices), and delete nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        rows = retention.count_due() if options["dry_run"] else retention.delete_due(seconds=math.inf)
        for table, number in sorted(rows.items()):
            self.stdout.write(f"{number:>12,} {table}")
        self.stdout.write(f"{rows.total():>12,} rows {'are due' if options['dry_run'] else 'deleted'}.")
