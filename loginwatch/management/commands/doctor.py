"""`python manage.py doctor`: is everything this site needs there, and if not, what to do."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from loginwatch import health


class Command(BaseCommand):
    help = "Checks every part this site needs, a line each with the remedy; ends with 1 if one is at fault."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(health.PROBES)}; all if none")

    def handle(self, *args: Any, parts: list[str], **options: Any) -> None:
        unknown = set(parts) - set(health.PROBES)
        if unknown:
            self.stderr.write(f"No such part: {', '.join(sorted(unknown))}. There are {', '.join(health.PROBES)}.")
            raise SystemExit(2)
        findings = health.examine(parts or None)
        width = max(len(finding.part) for finding in findings)
        for finding in findings:
            self._write(finding, width)
        if not all(finding.healthy for finding in findings):
            raise SystemExit(1)

    def _write(self, finding: health.Finding, width: int) -> None:
        mark = self.style.SUCCESS("ok   ") if finding.healthy else self.style.ERROR("FAULT")
        remedy = f"  →  {finding.remedy}" if finding.remedy else ""
        self.stdout.write(f"{mark} {finding.part:<{width}}  {finding.text}{remedy}")
