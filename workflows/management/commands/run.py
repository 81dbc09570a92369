"""`manage.py run <uuid>`: what happened, what happens and what will, of one run."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from workflows.models import Run
from workflows.presentation.representation import run_as_dict
from workflows.presentation.run_page import attempts_at, shown_runs
from workflows.presentation.terminal import tree_of
from workflows.results.walk import walk


class Command(BaseCommand):
    help = "Print a run as a tree: its steps, attempts, results, Celery's results beside them, and error callbacks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", metavar="uuid", help="the run's id, as its page and the admin have it")
        parser.add_argument("--json", action="store_true", help="print the same as JSON, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        run = _find(options["run"])
        tree, attempts = walk(run.results), attempts_at(run)
        if options["json"]:
            told = run_as_dict(run, tree, attempts, staff=True)
            self.stdout.write(json.dumps(told, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False))
        else:
            self.stdout.write(tree_of(run, tree, attempts))


def _find(text: str) -> Run:
    try:
        run_id = UUID(text)
    except ValueError:
        raise CommandError(f"{text!r} is no run's id: those look like 0b1ab1ca-3e5c-4d9b-9a3e-0a8c0f3f9b6e") from None
    run = shown_runs().filter(pk=run_id).first()
    if run is None:
        raise CommandError(f"there is no run {run_id}")
    return run
