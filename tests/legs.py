"""All tests, leg by leg: `python -m tests.legs`. It ends by saying which legs ran.

Two of them run at a time, as each waits for its processes much of the time, or one (LEGS_AT_ONCE=1) where nobody waits
for the tests; what is marked `alone` runs after them. A leg that this machine has no server or browser for is left out,
unless REQUIRE_LEGS=all says that each must run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from loginwatch.chaos.postgresql import NoPostgreSQL, find_binaries, postgresql
from tests.browser.chromium import NoChromium, find_chromium
from tests.servers import CHECKOUT

AT_ONCE = int(os.environ.get("LEGS_AT_ONCE", "2"))


@dataclass(frozen=True)
class Leg:
    """pytest with these arguments, on this database, else on a file; or why there is none."""

    name: str
    arguments: tuple[str, ...]
    database_url: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Outcome:
    leg: str
    text: str
    ok: bool


def main() -> int:
    with postgresql_url() as (url, no_postgresql):
        at_once = [
            Leg("SQLite", ("-m", "not once and not alone")),
            Leg("PostgreSQL", ("-m", "not once and not alone"), url, no_postgresql),
            Leg("once", ("-m", "once", "--ignore=tests/browser")),
            Leg("browser", ("tests/browser",), missing=no_chromium()),
        ]
        alone = [
            Leg("SQLite, alone", ("-m", "alone")),
            Leg("PostgreSQL, alone", ("-m", "alone"), url, no_postgresql),
        ]
        with TemporaryDirectory(prefix="loginwatch-legs-") as folder, ThreadPoolExecutor(AT_ONCE) as pool:
            print(f"{AT_ONCE} at a time; what each leg says is in {folder} until it ends, and then here.", flush=True)
            run_in = partial(run, Path(folder))
            outcomes = [*pool.map(run_in, at_once), *map(run_in, alone)]
    print("\nLegs:")
    for outcome in outcomes:
        print(f"  {outcome.leg:<19}{outcome.text}")
    return 0 if all(outcome.ok for outcome in outcomes) else 1


@contextmanager
def postgresql_url() -> Iterator[tuple[str, str]]:
    """That of TEST_DATABASE_URL, else of a private server; or "", and why."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given, ""
        return
    try:
        find_binaries()
    except NoPostgreSQL as missing:
        yield "", str(missing)
        return
    with postgresql() as url:
        yield url, ""


def no_chromium() -> str:
    """Why there is none, or ""."""
    try:
        find_chromium()
    except NoChromium as missing:
        return str(missing)
    return ""


def run(folder: Path, leg: Leg) -> Outcome:
    if leg.missing:
        return Outcome(leg.name, f"left out: {leg.missing}", ok=os.environ.get("REQUIRE_LEGS") != "all")
    env = {name: value for name, value in os.environ.items() if name != "TEST_DATABASE_URL"}
    if leg.database_url:
        env["TEST_DATABASE_URL"] = leg.database_url
    log = folder / f"{leg.name}.log"
    with log.open("w") as said:
        command = [sys.executable, "-m", "pytest", *leg.arguments]
        ended = subprocess.run(command, cwd=CHECKOUT, env=env, check=False, stdout=said, stderr=said)  # noqa: S603  ours
    print(f"\n=== {leg.name} ===\n{log.read_text()}", end="", flush=True)
    if ended.returncode == 0:
        return Outcome(leg.name, "ran", ok=True)
    return Outcome(leg.name, f"FAILED (pytest ended with {ended.returncode})", ok=False)


if __name__ == "__main__":
    raise SystemExit(main())
