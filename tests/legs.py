"""All tests, leg by leg: `python -m tests.legs`. It ends by saying which legs ran.

Two of them run at a time, as each waits for its processes much of the time, or one (LEGS_AT_ONCE=1) where nobody waits
for the tests; what is marked `alone` runs after them. A leg that this machine has no server or browser for is left out,
unless REQUIRE_LEGS=all says that each must run.

Thousands of these tests meet real processes and a machine that others use too. So a few that failed have a second try,
when nothing else runs, and are named at the end: a fault of the test or of the product, to be found.
"""

from __future__ import annotations

import json
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
# Where more of a leg's tests fail than this, that is no chance, and none has a second try.
MOST_SECOND_TRIES = 3


@dataclass(frozen=True)
class Leg:
    """pytest with these arguments, on this database, else on a file; or why there is none."""

    name: str
    arguments: tuple[str, ...]
    database_url: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Outcome:
    leg: Leg
    text: str
    ok: bool
    second_tries: tuple[str, ...] = ()


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
            outcomes = [tried_again(Path(folder), outcome) for outcome in outcomes]
    print("\nLegs:")
    for outcome in outcomes:
        print(f"  {outcome.leg.name:<19}{outcome.text}")
        for test in outcome.second_tries:
            print(f"    at its second try only: {test}")
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
        return Outcome(leg, f"left out: {leg.missing}", ok=os.environ.get("REQUIRE_LEGS") != "all")
    status = pytest(folder, leg)
    return Outcome(leg, f"FAILED (pytest ended with {status})" if status else "ran", ok=not status)


def tried_again(folder: Path, first: Outcome) -> Outcome:
    """The few that failed have passed by themselves, or the outcome stays as it was."""
    failed = failures(folder, first.leg)
    if first.ok or not 0 < len(failed) <= MOST_SECOND_TRIES or pytest(folder, first.leg, "--last-failed"):
        return first
    return Outcome(first.leg, "ran", ok=True, second_tries=failed)


def failures(folder: Path, leg: Leg) -> tuple[str, ...]:
    """The tests, or files that could not be read, of the leg's last run."""
    noted = _cache(folder, leg) / "v" / "cache" / "lastfailed"
    return tuple(json.loads(noted.read_text())) if noted.exists() else ()


def pytest(folder: Path, leg: Leg, *more: str) -> int:
    """Its exit status; what it said is printed when it has ended."""
    env = {name: value for name, value in os.environ.items() if name != "TEST_DATABASE_URL"}
    if leg.database_url:
        env["TEST_DATABASE_URL"] = leg.database_url
    command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={_cache(folder, leg)}", *leg.arguments, *more]
    log = folder / f"{leg.name}.log"
    with log.open("w") as said:
        ended = subprocess.run(command, cwd=CHECKOUT, env=env, check=False, stdout=said, stderr=said)  # noqa: S603  ours
    print(f"\n=== {' '.join((leg.name, *more))} ===\n{log.read_text()}", end="", flush=True)
    return ended.returncode


def _cache(folder: Path, leg: Leg) -> Path:
    return folder / f"{leg.name}.cache"


if __name__ == "__main__":
    raise SystemExit(main())
