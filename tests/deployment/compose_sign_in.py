"""Signs in to the site that docker-compose.yml has up, and follows the sign-in to the end of its run.

By hand, once it is up with a SITE_URL on this machine:

    docker compose up --detach
    python tests/deployment/compose_sign_in.py

`--without mail` forgives `manage.py doctor` that part, where EMAIL_URL names a server that is not there. The
person it signs in is made for this, and taken away again. It ends with 1 and a line where something is amiss.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")

CHECKOUT = Path(__file__).parents[2]
ONE_OFF = "migrate"
UNFINISHED = {"queued", "running", "retrying"}
# A first beat's heartbeat is there after some ten seconds, and its health check looks every thirty.
HEALTH_PATIENCE_SECONDS = 120
RUN_PATIENCE_SECONDS = 60
RUN_LINK = re.compile(r"/runs/([0-9a-f-]{36})/")
CSRF_FIELD = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')

MAKE_PERSON = """
from accounts.models import User
from allauth.account.models import EmailAddress
user = User.objects.create_user({name!r}, {address!r}, {password!r})
EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
"""
REMOVE_PERSON = "from accounts.models import User; User.objects.filter(username={name!r}).delete()"


class Amiss(Exception):
    """What is not as it should be."""


@dataclass(frozen=True)
class Container:
    service: str
    state: str
    health: str
    exit_code: int

    @property
    def is_ready(self) -> bool:
        if self.service == ONE_OFF:
            return self.state == "exited" and self.exit_code == 0
        return self.state == "running" and self.health == "healthy"


@dataclass(frozen=True)
class Person:
    name: str
    password: str


def main() -> None:
    options = _options()
    try:
        _check(Compose(), forgiven=options.without)
    except Amiss as problem:
        raise SystemExit(f"compose_sign_in: {problem}") from None


class Compose:
    """The `docker compose` of this machine, or `docker-compose` where there is none."""

    def __init__(self) -> None:
        has_plugin = _ended(["docker", "compose", "version"]).returncode == 0
        self._command = ["docker", "compose"] if has_plugin else ["docker-compose"]

    def output(self, *arguments: str) -> str:
        ended = self.ended(*arguments)
        if ended.returncode != 0:
            raise Amiss(f"{' '.join(arguments[:3])} ended with {ended.returncode}: {ended.stderr.strip()[-1000:]}")
        return ended.stdout.strip()

    def ended(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return _ended([*self._command, *arguments])

    def shell(self, code: str) -> None:
        self.output("exec", "-T", "web", "python", "manage.py", "shell", "-c", code)

    def containers(self) -> list[Container]:
        ids = self.output("ps", "--all", "--quiet").split()
        if not ids:
            raise Amiss("nothing is up: docker compose up --detach")
        inspected = _ended(["docker", "inspect", *ids])
        if inspected.returncode != 0:
            raise Amiss(f"docker inspect: {inspected.stderr.strip()}")
        return [_container(found) for found in json.loads(inspected.stdout)]


def _check(compose: Compose, *, forgiven: list[str]) -> None:
    containers = _wait(lambda: _all_ready(compose), HEALTH_PATIENCE_SECONDS, "not every service is healthy")
    for container in containers:
        _say(f"{container.service}: {container.health or 'done'}")
    _check_users(compose, {container.service for container in containers} - {ONE_OFF})
    address = f"http://{compose.output('port', 'web', '8000')}"
    with _person(compose) as person, httpx.Client(base_url=address, timeout=10) as browser:
        run_id = _sign_in(browser, person)
        _say(f"{person.name} signed in at {address}; run {run_id}")
        _check_run(browser, run_id)
        _check_row(compose, run_id)
    _check_doctor(compose, forgiven)


def _all_ready(compose: Compose) -> list[Container] | None:
    containers = sorted(compose.containers(), key=lambda container: container.service)
    return containers if all(container.is_ready for container in containers) else None


def _check_users(compose: Compose, services: set[str]) -> None:
    """That no service's first process is root's."""
    for service in sorted(services):
        status = compose.output("exec", "-T", service, "cat", "/proc/1/status")
        found = re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE)
        if not found or found[1] == "0":
            raise Amiss(f"{service} runs as root")
        _say(f"{service}: user {found[1]}")


@contextmanager
def _person(compose: Compose) -> Iterator[Person]:
    """Somebody whose e-mail address is verified, for as long as this lasts."""
    person = Person(name=f"check-{secrets.token_hex(4)}", password=secrets.token_urlsafe(16))
    address = f"{person.name}@example.com"
    compose.shell(MAKE_PERSON.format(name=person.name, address=address, password=person.password))
    try:
        yield person
    finally:
        compose.shell(REMOVE_PERSON.format(name=person.name))


def _sign_in(browser: httpx.Client, person: Person) -> str:
    """The id of the run that signing in began."""
    form = browser.get("/accounts/login/")
    token = CSRF_FIELD.search(form.text)
    if form.status_code != httpx.codes.OK or not token:
        raise Amiss(f"the sign-in page answers {form.status_code}; is SITE_URL that address?")
    fields = {"csrfmiddlewaretoken": token[1], "login": person.name, "password": person.password}
    landed = browser.post("/accounts/login/", data=fields, follow_redirects=True)
    run = RUN_LINK.search(landed.text)
    if landed.status_code != httpx.codes.OK or not run:
        raise Amiss(f"the sign-in led to {landed.url}, which answers {landed.status_code} and shows no run")
    return run[1]


def _check_run(browser: httpx.Client, run_id: str) -> None:
    run = _wait(lambda: _finished_run(browser, run_id), RUN_PATIENCE_SECONDS, f"run {run_id} does not finish")
    for step in run["steps"]:
        _say(f"  {step['name']}: {step['state']} {json.dumps(step['result'])}")
    if run["state"] != "succeeded" or [step["state"] for step in run["steps"]] != ["succeeded"] * 5:
        raise Amiss(f"run {run_id} is {run['state']}")
    _say(f"run {run_id}: {run['state']}")


def _finished_run(browser: httpx.Client, run_id: str) -> dict[str, Any] | None:
    run: dict[str, Any] = browser.get(f"/runs/{run_id}.json").raise_for_status().json()
    return None if run["state"] in UNFINISHED else run


def _check_row(compose: Compose, run_id: str) -> None:
    # The id is hexadecimal digits and hyphens: RUN_LINK takes no other.
    query = f"SELECT state, published FROM workflows_run WHERE id = '{run_id}'"  # noqa: S608
    row = compose.output("exec", "-T", "db", "psql", "-U", "loginwatch", "-d", "loginwatch", "-tAc", query)
    if not row.startswith("succeeded|"):
        raise Amiss(f"its row in PostgreSQL is {row!r}")
    _say(f"its row in PostgreSQL: {row}")


def _check_doctor(compose: Compose, forgiven: list[str]) -> None:
    findings = compose.ended("exec", "-T", "web", "python", "manage.py", "doctor").stdout.strip().splitlines()
    for finding in findings:
        _say(finding)
    faults = [line for line in findings if line.startswith("FAULT")]
    unforgiven = [line for line in faults if not any(line.split(None, 1)[1].startswith(part) for part in forgiven)]
    if not findings or unforgiven:
        raise Amiss("manage.py doctor finds a fault")


def _wait(look: Callable[[], T | None], seconds: float, problem: str) -> T:
    """What ``look`` finds, as soon as it does. Raises Amiss after ``seconds``."""
    end = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > end:
            raise Amiss(f"{problem} within {seconds:g} seconds")
        time.sleep(1)
    return found


def _container(found: dict[str, Any]) -> Container:
    state = found["State"]
    return Container(
        service=found["Config"]["Labels"]["com.docker.compose.service"],
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", ""),
        exit_code=state["ExitCode"],
    )


def _ended(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - our own command
            command, cwd=CHECKOUT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise Amiss(f"there is no {command[0]} on this machine") from None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Signs in to the site that docker-compose.yml has up.")
    parser.add_argument("--without", action="append", default=[], metavar="PART", help="a part doctor may find absent")
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
