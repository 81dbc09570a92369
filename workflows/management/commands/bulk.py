"""`manage.py bulk`: bulk jobs from the terminal."""

from __future__ import annotations

import shutil
import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID, uuid4

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from accounts.models import User
from workflows.bulk import jobs, registry, selection
from workflows.bulk.models import BulkJob
from workflows.bulk.progress import progress_of, title_of
from workflows.bulk.registry import Action

WIDTH = 30
# Back to its first column, and clear it.
BEGIN_ROW = "\r\033[K"
# Seconds between two looks of who follows.
PAUSE = 1.0
MOST_LISTED = 50


class Command(BaseCommand):
    help = "Lists, starts, follows and stops bulk jobs (docs/bulk-jobs.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        commands.add_parser("list", help="the newest jobs, and the actions that there are")
        start = commands.add_parser("start", help="queue a job, with the permissions of an operator's account")
        start.add_argument("action", help="its name; `bulk list` has them")
        rows = start.add_mutually_exclusive_group(required=True)
        rows.add_argument("--ids", metavar="1,2,3", help="these rows")
        rows.add_argument("--query", metavar="Q", help="all that this query string of the admin's list matches")
        rows.add_argument("--all", action="store_true", help="all rows that the operator sees")
        start.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the action")
        start.add_argument("--dry-run", action="store_true", help="try it and change nothing")
        start.add_argument("--again", action="store_true", help="though the same job is there and has not ended")
        start.add_argument("--follow", action="store_true", help="and follow it to its end")
        follow = commands.add_parser("follow", help="show a job's progress until it ends")
        stop = commands.add_parser("stop", help="stop a job, with the permissions of an operator's account")
        for one in (start, stop):
            one.add_argument("--by", required=True, metavar="NAME", help="the operator's user name or e-mail address")
        for one in (follow, stop):
            one.add_argument("job", help="its id, or how that begins")

    def handle(self, *args: Any, command: str, **options: Any) -> None:
        match command:
            case "list":
                self._list()
            case "start":
                self._start(**options)
            case "follow":
                self._follow(_find(options["job"]))
            case "stop":
                self._stop(_find(options["job"]), _operator(options["by"]))

    def _list(self) -> None:
        for job in BulkJob.objects.select_related("requested_by").order_by("-pk")[:MOST_LISTED]:
            rows = f"{job.processed:,} of {job.total:,}"
            self.stdout.write(f"{job.pk}  {job.get_state_display():<20}  {rows:>23}  {title_of(job)}")
        self.stdout.write("Actions:")
        for action in registry.all_actions():
            about = f"{action.heading} ({action.listed._meta.verbose_name_plural})"
            self.stdout.write(f"  {action.name:<24}  {about}")

    def _start(self, *, action: str, by: str, dry_run: bool, follow: bool, **options: Any) -> None:
        try:
            job = _queue(registry.get(action), _operator(by), dry_run=dry_run, **options)
        except (registry.UnknownAction, selection.NotReadable, selection.NotAllowed, jobs.Refused) as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"{job.pk} {job.get_state_display()}")
        if follow:
            self._follow(job)

    def _follow(self, job: BulkJob) -> None:
        """Until it ends, or waits for somebody."""
        on_terminal, columns = self.stdout.isatty(), shutil.get_terminal_size().columns
        last = ""
        while True:
            job.refresh_from_db()
            line = _line(job)
            if line != last:
                if on_terminal:  # of one row: of those above it nothing would be written over
                    self.stdout.write(f"{BEGIN_ROW}{line[: columns - 1]}", ending="")
                else:
                    self.stdout.write(line)
                self.stdout.flush()
            last = line
            if not job.is_active:
                break
            time.sleep(PAUSE)
        if on_terminal:
            self.stdout.write(f"{BEGIN_ROW}{line}")
        if job.state != BulkJob.State.FINISHED:
            raise CommandError(f"The job is {job.get_state_display()}. {job.error}".strip())

    def _stop(self, job: BulkJob, by: User) -> None:
        try:
            jobs.stop(job, by=by)
        except jobs.Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"{job.pk} stopped")


def _queue(action: Action, by: User, *, dry_run: bool, again: bool, **options: Any) -> BulkJob:
    if dry_run and not action.destroys:
        raise jobs.Refused(f"{action.name} has no dry run: it destroys nothing.")
    chosen = _chosen(action, **options)
    if not selection.selected(action, chosen, by).exists():
        raise jobs.Refused("Nothing is selected: no job was started.")
    same: dict[str, Any] = {"selection": chosen, "parameters": _parameters(action, options["set"])}
    if not dry_run and not again and (twin := jobs.twin_of(action, **same)):
        raise jobs.Refused(f"{jobs.already(twin)} To do it once more, add --again.")
    return jobs.queue(action, **same, by=by, token=uuid4(), dry_run=dry_run, known=None if again else [])[0]


def _chosen(action: Action, *, ids: str | None, query: str | None, **options: Any) -> dict[str, Any]:
    """All rows are chosen by --all alone. Raises NotReadable or Refused."""
    if ids is not None:
        return selection.of_ids(action, [one.strip() for one in ids.split(",")])
    if query is None:
        return selection.of_all(action)
    query = query.removeprefix("?")
    asked = selection.filter_of(query)
    # A part without a value matches everything: what a shell makes of a variable that is empty.
    blank = [name for name, value in asked if not value.strip()]
    if blank or not asked:
        where = f" at {blank[0]!r}" if blank else ""
        raise jobs.Refused(f"The filter of --query is empty{where}: no job was started. All rows are chosen by --all.")
    return selection.of_query(action, query)


def _parameters(action: Action, pairs: list[str]) -> dict[str, Any]:
    """Raises CommandError where the action's form does not take them."""
    form = action.form(dict(pair.partition("=")[::2] for pair in pairs))
    if not form.is_valid():
        faults = [f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()]
        raise CommandError("\n".join(faults))
    return form.cleaned_data


def _operator(name: str) -> User:
    user = User.objects.filter(Q(username__iexact=name) | Q(email__iexact=name)).first()
    if user is None:
        raise CommandError(f"There is no account {name!r}.")
    return user


def _find(job_id: str) -> BulkJob:
    """Ids of one time begin alike: so much of it is needed that it is one job's."""
    text = job_id.lower().replace("-", "")
    if not text or len(text) > 32 or set(text) - set("0123456789abcdef"):
        raise CommandError(f"{job_id!r} is no id of a job.")
    first, last = UUID(text.ljust(32, "0")), UUID(text.ljust(32, "f"))
    found = list(BulkJob.objects.filter(pk__gte=first, pk__lte=last)[:2])
    if len(found) != 1:
        raise CommandError(f"There is {'more than one' if found else 'no'} job whose id begins with {job_id!r}.")
    return found[0]


def _line(job: BulkJob) -> str:
    progress = progress_of(job)
    full = WIDTH * progress.percent // 100
    bar = f"[{'#' * full}{'.' * (WIDTH - full)}] {progress.percent:>3} %"
    counts = f"{job.done:,} done, {job.skipped:,} skipped, {job.failed:,} failed, {job.left:,} left"
    more = [f"{progress.rate:,.0f}/s"] if progress.rate else []
    more += [f"ends in {progress.ends_in}"] if progress.ends_in else []
    more += [job.error] if job.error else []
    return "  ".join([job.get_state_display(), bar, counts, *more])
