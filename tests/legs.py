"""All tests, leg by leg: `python -m tests.legs`. It ends by saying which legs ran.

A leg that this machine has no server or browser for is left out, unless REQUIRE_LEGS=all says that each must run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from loginwatch.chaos.postgresql import NoPostgreSQL, find_binaries, postgresql
from tests.browser.chromium import NoChromium, find_chromium
from tests.servers import CHECKOUT


@dataclass(frozen=True)
class Outcome:
    leg: str
    text: str
    ok: bool


def main() -> int:
    required = os.environ.get("REQUIRE_LEGS") == "all"
    outcomes = [sqlite_leg(), postgresql_leg(required=required), browser_leg(required=required)]
    print("\nLegs:")
    for outcome in outcomes:
        print(f"  {outcome.leg:<12}{outcome.text}")
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def sqlite_leg() -> Outcome:
    return _run("SQLite", ["--ignore=tests/browser"], {}, "ran on a file of its own")


def postgresql_leg(*, required: bool) -> Outcome:
    """On TEST_DATABASE_URL, else on a private server. What does not touch the database ran in the first leg."""
    try:
        with _postgresql_url() as url:
            arguments = ["--ignore=tests/browser", "-m", "not once"]
            return _run("PostgreSQL", arguments, {"TEST_DATABASE_URL": url}, "ran")
    except NoPostgreSQL as missing:
        return Outcome("PostgreSQL", f"left out: {missing}", not required)


def browser_leg(*, required: bool) -> Outcome:
    try:
        chromium = find_chromium()
    except NoChromium as missing:
        return Outcome("browser", f"left out: {missing}", not required)
    return _run("browser", ["tests/browser"], {}, f"ran in {chromium}")


@contextmanager
def _postgresql_url() -> Iterator[str]:
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    find_binaries()
    with postgresql() as url:
        yield url


def _run(leg: str, arguments: list[str], variables: Mapping[str, str], ran: str) -> Outcome:
    print(f"\n=== {leg} ===", flush=True)
    env = {name: value for name, value in os.environ.items() if name != "TEST_DATABASE_URL"} | dict(variables)
    code = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=CHECKOUT, env=env, check=False).returncode  # noqa: S603
    return Outcome(leg, ran if code == 0 else f"FAILED (pytest ended with {code})", code == 0)


if __name__ == "__main__":
    raise SystemExit(main())
