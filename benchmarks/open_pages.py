"""People whose pages of a run stand open, and what that takes of the processor; pages.py starts it."""

from __future__ import annotations

import asyncio
import html
import itertools
import json
import math
import re
import secrets
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import httpx
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.db.models import F
from django.test.utils import override_settings
from django.utils import timezone

from accounts.models import SignIn, User
from benchmarks import site, usage
from benchmarks.site import HOST, Web
from workflows.models import Run, Step
from workflows.runs import create_run

ASKING = re.compile(r'<div id="run-poll" hidden hx-get="([^"]+)" hx-trigger="every (\d+)s"')
HEADERS = {"Host": HOST, "X-Forwarded-Proto": "https"}
RESULTS = {
    "check_device": {"device": None, "status": "known", "reason": "cookie"},
    "notify_user": {"notice": "not_needed"},
    "save_event": {"event": 1, "recent_failures": 0},
}
RETRIED = "post_to_risk_api"


@dataclass(frozen=True)
class Runs:
    """What they do while their pages are open.

    ``stood``: for how many seconds nothing had happened to them at the start; ``tried``: in how many a step of each is
    tried again, in vain, None for never; ``most``: seconds for which that is so.
    """

    stood: float
    tried: float | None = None
    most: float = math.inf


# Those that stand are asked for the more rarely the longer they do: the first minute, by itself, is the dearest.
KINDS = {
    "stand, pages just opened": Runs(stood=0, most=60),
    "have stood for a minute": Runs(stood=60),
    "are tried again every 30 s": Runs(stood=0, tried=30),
}


@dataclass(frozen=True)
class Asking:
    url: str
    every: int


class NotAsking(Exception):
    """A page does not say how it asks."""


def _make_pages(count: int) -> list[tuple[str, Run]]:
    """The keys of as many sessions, and for each person a run of which nothing is left but to ask the risk service."""
    users = User.objects.bulk_create([User(username=f"p{n}", email=f"p{n}@example.com") for n in range(count)])
    return [(_session_of(user), _make_run(user)) for user in users]


def _make_run(user: User) -> Run:
    run = create_run(SignIn.objects.create(user=user, issued_token=secrets.token_hex(32)))
    run.steps.filter(name__in=RESULTS).update(state=Step.State.SUCCEEDED, attempts=1)
    for name, result in RESULTS.items():
        run.steps.filter(name=name).update(result=result)
    return run


def _session_of(user: User) -> str:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def _stand(seconds: float) -> None:
    """Nothing has happened to any run for so long."""
    moment = timezone.now() - timedelta(seconds=seconds)
    Run.objects.update(created_at=moment, state=Run.State.RUNNING, started_at=moment, published=1, published_at=moment)
    Step.objects.filter(state=Step.State.SUCCEEDED).update(started_at=moment, attempted_at=moment, finished_at=moment)


async def _watch(
    web: Web, pages: list[tuple[str, Run]], parts: usage.Parts, seconds: float, tried: float | None = None
) -> dict[str, Any]:
    """Have the pages open for so long, after they were loaded."""
    # The server closes a connection on which it was asked nothing for two seconds.
    limits = httpx.Limits(max_connections=20, keepalive_expiry=1.0)
    base = f"http://127.0.0.1:{web.port}"
    async with httpx.AsyncClient(base_url=base, headers=HEADERS, limits=limits, timeout=60) as client:
        asking = await asyncio.gather(*(_load(client, session, run) for session, run in pages))
        before, began = usage.processor(parts), time.monotonic()
        answers: Counter[bool] = Counter()
        asked = (_ask(client, pages[n][0], asking[n], n / len(pages), answers) for n in range(len(pages)))
        opened = [asyncio.create_task(one) for one in asked]
        if tried:
            opened.append(asyncio.create_task(_try_again([run for _, run in pages], tried)))
        await asyncio.sleep(seconds)
        passed = time.monotonic() - began
        after = usage.processor(parts)
        for one in opened:
            one.cancel()
        for outcome in await asyncio.gather(*opened, return_exceptions=True):
            if isinstance(outcome, Exception):  # which being cancelled is not
                raise outcome
    spent = {name: after[name] - before[name] for name in parts}
    return {"seconds": passed, "requests": answers.total(), "nothing_new": answers[False], "processor": spent}


async def _draw(web: Web, pages: list[tuple[str, Run]], parts: usage.Parts) -> float:
    """Seconds that the web processes compute to answer a page that has seen nothing of what its run shows."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.port}", headers=HEADERS, timeout=60) as client:
        asking = [
            (session, (await _load(client, session, run)).url.replace("seen=", "seen=x")) for session, run in pages
        ]
        before = usage.processor(parts)
        for session, url in asking:
            _asking_of(await client.get(url, headers={**_cookie(session), "HX-Request": "true"}))
        return (usage.processor(parts)["web"] - before["web"]) / len(asking)


async def _load(client: httpx.AsyncClient, session: str, run: Run) -> Asking:
    return _asking_of(await client.get(run.get_absolute_url(), headers=_cookie(session)))


async def _ask(client: httpx.AsyncClient, session: str, asking: Asking, share: float, answers: Counter[bool]) -> None:
    """Ask as the page does, for ever; ``answers`` are counted by whether they show something of the run.

    The pages were not opened at one instant: each is somewhere in its pause.
    """
    pause = asking.every * share
    while True:
        await asyncio.sleep(pause)
        answer = await client.get(asking.url, headers={**_cookie(session), "HX-Request": "true"})
        answers["run-panel" in answer.text] += 1
        if answer.status_code != httpx.codes.NO_CONTENT:
            asking = _asking_of(answer)
        pause = asking.every


def _wait_for_attempts(runs: list[Run], every: float) -> None:
    """A step of each has been tried in vain, one after the other, and will be tried again in that order."""
    now = timezone.now()
    for number, run in enumerate(runs, start=1):
        _fail_attempt(run, now + timedelta(seconds=every * (number / len(runs) - 1)), every)


async def _try_again(runs: list[Run], every: float) -> None:
    """Each when it is due, one after the other, for ever."""
    for run in itertools.cycle(runs):
        step = await asyncio.to_thread(run.steps.get, name=RETRIED)
        due = cast(datetime, step.leased_until)
        await asyncio.sleep(max((due - timezone.now()).total_seconds(), 0.0))
        await asyncio.to_thread(_fail_attempt, run, due, every)


def _fail_attempt(run: Run, at: datetime, pause: float) -> None:
    """The risk service was asked, which is away, and is asked again after the pause."""
    retrying = {"state": Step.State.RETRYING, "attempted_at": at, "leased_until": at + timedelta(seconds=pause)}
    run.steps.filter(name=RETRIED).update(attempts=F("attempts") + 1, **retrying)


def _cookie(session: str) -> dict[str, str]:
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"}


def _asking_of(answer: httpx.Response) -> Asking:
    found = ASKING.search(answer.text)
    if answer.status_code != httpx.codes.OK or found is None:
        raise NotAsking(f"{answer.status_code}: {answer.text[:500]}")
    return Asking(html.unescape(found[1]), int(found[2]))


def measure(count: int, seconds: float) -> dict[str, Any]:
    """``drawn``: seconds that an answer takes of the processor that has all that a page shows of its run."""
    pages = _make_pages(count)
    figures = []
    with site.web("benchmarks.settings_plain_static") as web:
        parts = {"web": web.pid, "PostgreSQL": site.postmaster()}
        _stand(0)
        asyncio.run(_watch(web, pages, parts, 3.0))  # the first requests of a process are slow
        for name, runs in KINDS.items():
            _stand(runs.stood)
            if runs.tried:
                _wait_for_attempts([run for _, run in pages], runs.tried)
            spent = asyncio.run(_watch(web, pages, parts, min(seconds, runs.most), runs.tried))
            figures.append({"runs": name, **spent})
        drawn = asyncio.run(_draw(web, pages, parts))
    return {"figures": figures, "drawn": drawn}


def main(count: str, seconds: str) -> None:
    """Prints what was measured, as JSON."""
    call_command("migrate", verbosity=0)
    with override_settings(DEBUG=False):
        json.dump(measure(int(count), float(seconds)), sys.stdout)
