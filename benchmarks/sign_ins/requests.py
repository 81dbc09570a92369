"""The sign-in's request with Loginwatch's producer and without it; __main__.py starts it.

Two web servers stand side by side, and people sign in at the one and at the other in turn. No worker runs: only the
request is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import override_settings

from benchmarks import site, usage
from benchmarks.sign_ins import no_producer
from benchmarks.sign_ins.visitors import PASSWORD, Visitors, at_once
from benchmarks.site import Web

# How many sign in at each server in a round: one by one, and so many at any time.
ONE_BY_ONE = 25
AT_ONCE, TOGETHER = 20, 80
# The first of each process and thread are slow.
WARM_UP = 100
# No multiple of 20: the new devices are everybody's in turn.
PEOPLE = 399

Figures = dict[str, Any]
Webs = dict[str, Web]
Pages = dict[str, list[float]]


def rounds(count: int) -> dict[str, dict[str, list[Figures]]]:
    """``count`` of them, by how many sign in at any time, each "with" the producer and "without"."""
    people = Visitors("visitor", PEOPLE)
    measured: dict[str, dict[str, list[Figures]]] = {}
    with site.broker(), site.web(site.CHEAP_HASH) as with_it, site.web(site.NO_PRODUCER) as without:
        webs = {"with": with_it, "without": without}
        asyncio.run(together(people, webs, WARM_UP))
        for number in range(count):
            # Another one begins each time.
            turned = {kind: webs[kind] for kind in sorted(webs, reverse=bool(number % 2))}
            for concurrent, come in {"1": one_by_one, str(AT_ONCE): together}.items():
                for kind, one in figures(people, turned, come).items():
                    measured.setdefault(concurrent, {}).setdefault(kind, []).append(one)
    return measured


def figures(people: Visitors, webs: Webs, come: Callable[[Visitors, Webs], Coroutine[None, None, Pages]]) -> Figures:
    """By the kind of server: milliseconds until each page was back, and the processor's in the server for one."""
    parts = {kind: web.pid for kind, web in webs.items()}
    before = usage.processor(parts)
    pages = asyncio.run(come(people, webs))
    after = usage.processor(parts)
    return {
        kind: {"page": ms, "processor": 1000 * (after[kind] - before[kind]) / len(ms)} for kind, ms in pages.items()
    }


async def one_by_one(people: Visitors, webs: Webs) -> Pages:
    """At the one server and at the other in turn."""
    pages: Pages = {kind: [] for kind in webs}
    for _ in range(ONE_BY_ONE):
        for kind, web in webs.items():
            pages[kind].append(await people.sign_in(web.port))
    return pages


async def together(people: Visitors, webs: Webs, count: int = TOGETHER) -> Pages:
    """All at the one server, then all at the other."""
    return {
        kind: await at_once(partial(people.sign_in, web.port), concurrent=AT_ONCE, count=count)
        for kind, web in webs.items()
    }


def statements() -> dict[str, list[str]]:
    """What a sign-in sends to the database, "with" the producer and "without", in this process."""
    (name,) = Visitors("counted", 1).names
    with site.broker():
        counted = {"with": _statements_of_a_sign_in(name)}
    no_producer.disconnect()
    return counted | {"without": _statements_of_a_sign_in(name)}


def _statements_of_a_sign_in(name: str) -> list[str]:
    """Of the second: the first of a process asks what it then knows."""
    sent: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        sent.append(sql)
        return execute(sql, *arguments)

    for _ in range(2):
        sent.clear()
        with connection.execute_wrapper(note):
            Client().post("/accounts/login/", {"login": name, "password": PASSWORD})
    return sent


def main(count: str) -> None:
    """Prints what was measured, as JSON."""
    call_command("migrate", verbosity=0)
    with override_settings(DEBUG=False, PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        measured = {"statements": statements(), "rounds": rounds(int(count))}
    json.dump(measured, sys.stdout)
