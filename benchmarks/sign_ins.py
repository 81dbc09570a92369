"""From a sign-in to its finished run: `make bench`, which writes its table into docs/performance.md.

It starts the whole site privately (as `make run` does, on free ports, in a folder that is thrown away), once on
SQLite and once on a private PostgreSQL, signs people in over HTTP at a steady rate, and reads from each run when it
began and when it was finished.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from loginwatch.chaos.postgresql import postgresql
from tests.demo.running_demo import Demo
from tests.servers import CHECKOUT

PAGE = CHECKOUT / "docs" / "performance.md"
BEGIN, END = "<!-- begin: make bench -->", "<!-- end: make bench -->"
RUN_URL = re.compile(r"/runs/([0-9a-f-]{36})")


@dataclass(frozen=True)
class SignIn:
    """Seconds: until the page was back, and from the sign-in until its run was finished."""

    page: float
    run: float


class NotMeasured(Exception):
    """Something went wrong, so there is no figure."""


class MeasuredDemo(Demo):
    """The site as `make run` starts it, with ``variables`` set."""

    def __init__(self, var: Path, variables: dict[str, str]) -> None:
        super().__init__(var)
        self.variables = variables

    def environment(self) -> dict[str, str]:
        return super().environment() | self.variables


def percentile(values: list[float], percent: int) -> float:
    """The nearest-rank percentile: the smallest value that at least ``percent`` % of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


async def sign_in(site: Demo, number: int) -> SignIn:
    name = ("alice", "bob")[number % 2]
    # From a network of its own each (of RFC 2544's range): the limit on sign-ins per address is not what is measured.
    address = f"198.18.{number % 256}.{number // 256 + 1}"
    async with httpx.AsyncClient(base_url=site.url, headers={"X-Forwarded-For": address}, timeout=30) as client:
        await client.get("/accounts/login/")
        form = {"login": name, "password": "loginwatch-demo", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        began = time.perf_counter()
        answer = await client.post("/accounts/login/", data=form)
        page = time.perf_counter() - began
        if answer.status_code != httpx.codes.FOUND:
            raise NotMeasured(f"{name} could not sign in: {answer.status_code}")
        run_id = RUN_URL.search((await client.get("/security/")).text)
        if run_id is None:
            raise NotMeasured("the security page shows no run")
        return SignIn(page=page, run=await finished(client, run_id[1]))


async def finished(client: httpx.AsyncClient, run_id: str) -> float:
    for _ in range(60):
        await asyncio.sleep(1)  # as often as the page asks
        run = (await client.get(f"/runs/{run_id}.json")).json()
        if run["state"] == "succeeded":
            began, ended = (datetime.fromisoformat(run[moment]) for moment in ("created_at", "finished_at"))
            return (ended - began).total_seconds()
    raise NotMeasured(f"run {run_id} has not succeeded within a minute: {run}")


async def measure(site: Demo, *, count: int, rate: float) -> list[SignIn]:
    await asyncio.gather(*(sign_in(site, number) for number in range(2)))  # the first of each process is slow
    began = time.perf_counter()
    tasks = []
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(sign_in(site, number + 2)))
    return list(await asyncio.gather(*tasks))


def row(database: str, measured: list[SignIn]) -> str:
    cells = [
        f"{1000 * percentile([getattr(one, what) for one in measured], percent):.0f} ms"
        for what in ("page", "run")
        for percent in (50, 99)
    ]
    return f"| {database} | {len(measured)} | {' | '.join(cells)} |"


def table(rows: list[str], *, rate: float) -> str:
    head = "| database | sign-ins | page back, p50 | p99 | run finished, p50 | p99 |\n|---|---|---|---|---|---|"
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {datetime.now(UTC).date().isoformat()}"
    return f"{rate:g} sign-ins a second ({machine}):\n\n{head}\n" + "\n".join(rows)


def write(text: str) -> None:
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rate", type=float, default=5.0, help="sign-ins a second")
    options = parser.parse_args()
    rows = []
    for database in ("SQLite", "PostgreSQL"):
        server = postgresql() if database == "PostgreSQL" else nullcontext()
        with server as url, tempfile.TemporaryDirectory(prefix="loginwatch-bench-") as folder:
            variables = {"TRUSTED_PROXY_COUNT": "1"} | ({"DATABASE_URL": url} if url else {})
            with MeasuredDemo(Path(folder) / "var", variables) as site:
                rows.append(row(database, asyncio.run(measure(site, count=options.count, rate=options.rate))))
                print(rows[-1])
    write(table(rows, rate=options.rate))


if __name__ == "__main__":
    main()
