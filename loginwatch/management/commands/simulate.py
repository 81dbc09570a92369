"""`python manage.py simulate`: fill a site with a lifelike history, to show it and to measure it."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Model
from django.utils import timezone

from accounts.models import SignIn
from loginwatch.simulation.history import simulate

MOST_USERS = 2_000_000


class Command(BaseCommand):
    help = (
        "Fills the site with people and what they did: regular devices, journeys, new versions, shared networks, and "
        "attackers of three kinds. All of it is there in the end, or nothing; until then nobody can sign in. Where "
        "somebody has signed in, only a demonstration or debugging site takes it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--users", type=int, default=500, help="how many people (500)")
        parser.add_argument("--days", type=int, default=30, help="over how many days, up to now (30)")
        parser.add_argument("--seed", type=int, default=1, help="another number is another story (1)")

    def handle(self, *args: Any, users: int, days: int, seed: int, verbosity: int, **options: Any) -> None:
        if not 1 <= users <= MOST_USERS or not 1 <= days <= 3660:
            raise CommandError(f"--users is 1 to {MOST_USERS:,}, --days 1 to 3,660.")
        if SignIn.objects.exists() and not (settings.DEBUG or settings.LOGINWATCH_DEMO):
            raise CommandError("People have signed in to this site: its history is not to be mixed with a made-up one.")
        began = time.monotonic()
        rows = Counter[type[Model]]()
        for progress in simulate(users=users, days=days, seed=seed, now=timezone.now()):
            rows = progress.rows
            if verbosity:
                self.stderr.write(f"day {progress.days} of {days}: {rows[SignIn]:,} sign-ins\r", ending="")
        if verbosity:
            self.stderr.write("")
            for model, number in rows.items():
                self.stdout.write(f"{number:>12,} {model._meta.verbose_name_plural}")
            self.stdout.write(f"in {time.monotonic() - began:.0f} s")
