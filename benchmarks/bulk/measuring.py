"""All of it, in a process with the site's Django: people, the site, then each job; __main__.py starts it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core.management import call_command
from django.test.utils import override_settings

from accounts.models import User
from benchmarks import site
from benchmarks.bulk import counts, mails, people, watch
from benchmarks.bulk.coming import Coming
from benchmarks.bulk.people import People
from benchmarks.bulk.watch import say
from benchmarks.sign_ins.visitors import Visitors
from loginwatch.chaos.listening import spare_port
from tests import servers
from tests.environment import SCRATCH
from workflows.bulk import jobs, registry, selection
from workflows.bulk.models import BulkJob

NOTICE = {
    "subject": "Your account at {site}, {username}",
    "text": "Dear {first_name} {last_name},\n\nwe have seen sign-ins with stolen passwords at {site}. Yours was not "
    "among them.\nPlease look at the list of your devices all the same, and choose a new password if you use\nthe "
    "same one elsewhere.\n\nThose who run {site}",
}
JOBS: dict[str, tuple[str, dict[str, str]]] = {
    "export": ("export_users", {}),
    "notice": ("security_notice", NOTICE),
    "sign-out": ("sign_out", {}),
}
# So many times fewer rows, done before, to see whether time grows with them.
FEWER = 10
# More than sign in within some seconds, and no multiple of 20: the new devices are everybody's in turn.
VISITORS = 399
# Sign-ins before anything is measured: the first of each process are slow.
WARM_UP = 20.0

Figures = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """``worker``: the number of its first process."""

    web: int
    worker: int
    mail: int


@contextmanager
def running_site() -> Iterator[Site]:
    mail = spare_port()
    server = servers.Server(sys.executable, "-m", "benchmarks.bulk.mails", str(mail), log=SCRATCH / "mails.log")
    with (
        servers.running(server, says=mails.READY),
        site.broker(),
        site.process("risk"),
        site.process("worker", env={"EMAIL_URL": f"smtp://127.0.0.1:{mail}"}) as worker,
        site.process("beat"),
        site.web(site.CHEAP_HASH) as web,
    ):
        yield Site(web.port, worker, mail)


def queue(name: str, these: People, by: User) -> BulkJob:
    """As the admin does for all that the list's filter matches."""
    action_name, parameters = JOBS[name]
    action = registry.get(action_name)
    chosen = selection.of_query(action, these.query)
    return jobs.queue(action, selection=chosen, parameters=parameters, by=by, token=uuid4())[0]


def figures_of(name: str, these: People, running: Site, coming: Coming, by: User) -> Figures:
    """Of one job, with people signing in all the while."""
    say(f"{name}: {these.count:,} rows")
    before = counts.sizes()
    with coming.meanwhile() as seen:
        job = queue(name, these, by)
        watched = watch.watched(job, running.worker)
    assert job.started_at and job.running_since and job.finished_at  # noqa: S101  it was mailed about
    after = counts.sizes()
    selecting, total = job.running_since - job.started_at, job.finished_at - job.started_at
    return watched | {
        "rows": these.count,
        "selecting": selecting.total_seconds(),
        "seconds": total.total_seconds(),
        "verdicts": seen.verdicts,
        "not let in": seen.failures,
        "bytes": {what: after[what] - before[what] for what in after},
        "left": counts.left_behind(job),
        "wrong": counts.wrong(job, these, running.mail),
    }


def measure(rows: int, rate: float, seconds: float, kept: Path | None, figures: Figures) -> Figures:
    """Adds to ``figures`` what is not in it, and keeps it in a file after each job."""
    few = rows // FEWER
    everybody = people.make(rows + few)
    many = People(everybody.first, everybody.first + rows - 1)
    fewer = People(many.last + 1, everybody.last)
    by = User.objects.create_superuser("admin", "admin@example.com")
    with running_site() as running:
        coming = Coming(Visitors("cheap", VISITORS), running.web, rate)
        coming.for_seconds(WARM_UP)
        for name in [name for name in JOBS if name not in figures["jobs"]]:
            say(f"idle: {rate:g} sign-ins a second")
            idle = coming.for_seconds(seconds)
            figures["jobs"][name] = {
                "idle": idle.verdicts,
                "fewer": figures_of(name, fewer, running, coming, by),
                "all": figures_of(name, many, running, coming, by),
            }
            if kept:
                kept.write_text(json.dumps(figures))
    return figures


def main(rows: str, rate: str, seconds: str, kept: str) -> None:
    """Prints what was measured, as JSON."""
    path = Path(kept) if kept else None
    figures: Figures = {"rows": int(rows), "rate": float(rate), "jobs": {}}
    if path and path.exists():
        figures = json.loads(path.read_text())
    call_command("migrate", verbosity=0)
    with override_settings(DEBUG=False):
        json.dump(measure(int(rows), float(rate), float(seconds), path, figures), sys.stdout)
