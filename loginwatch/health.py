"""Is everything this site needs there? One probe a part; `manage.py doctor` prints what they find."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.core.mail import get_connection
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from kombu import Connection
from kombu.exceptions import OperationalError

from loginwatch import workers
from workflows import backlog
from workflows.breakers import described, open_breakers

HEARTBEAT_KEY = "loginwatch.heartbeat"
# beat calls every 10 seconds; three missed calls are no accident.
HEARTBEAT_LATE = timedelta(seconds=30)
PATIENCE = 3


class Unhealthy(Exception):
    """A part is not as it should be: what is wrong, and what to do about it."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True)
class Finding:
    part: str
    healthy: bool
    text: str
    remedy: str = ""


def record_heartbeat() -> None:
    cache.set(HEARTBEAT_KEY, timezone.now(), timeout=None)


def examine(parts: list[str] | None = None) -> list[Finding]:
    """What the probes of ``parts`` find (all where None), in order."""
    return [_examine(part, probe) for part, probe in PROBES.items() if parts is None or part in parts]


def _examine(part: str, probe: Callable[[], str]) -> Finding:
    try:
        return Finding(part, True, probe())
    except Unhealthy as fault:
        return Finding(part, False, fault.problem, fault.remedy)


def probe_database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        raise Unhealthy(f"no answer: {_line(error)}", "start the database, or set DATABASE_URL") from error
    return f"{connection.vendor} answers"


def probe_migrations() -> str:
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        raise Unhealthy(f"cannot be read: {_line(error)}", "see the database above") from error
    if missing:
        raise Unhealthy(f"{len(missing)} not applied", "python manage.py migrate")
    return "all applied"


def probe_broker() -> str:
    with _broker_connection("start Redis, or set REDIS_URL") as broker:
        return f"{broker.as_uri()} answers"


def probe_workers() -> str:
    with _broker_connection("see the broker above") as broker:
        answers = workers.ask(broker)
    if not answers:
        raise Unhealthy("none answers", "celery -A loginwatch worker")
    return f"{', '.join(answers)} answer{'s' if len(answers) == 1 else ''}"


def probe_queues() -> str:
    """What waits in them, and whether each has a worker."""
    with _broker_connection("see the broker above") as broker:
        unserved = workers.unserved(workers.ask(broker))
    try:
        lengths = backlog.lengths()
    except backlog.BrokerAway as error:
        raise Unhealthy(f"no answer: {_line(error)}", "see the broker above") from error
    waiting = ", ".join(f"{length:,} in {name}" for name, length in lengths.items() if length)
    waits = f"there wait {waiting}" if waiting else "nothing waits"
    if unserved:
        names = ",".join(unserved)
        raise Unhealthy(f"no worker serves {names}; {waits}", f"celery -A loginwatch worker --queues {names}")
    return f"all served, {waits}"


@contextmanager
def _broker_connection(remedy: str) -> Iterator[Connection]:
    timeouts = {"socket_connect_timeout": PATIENCE, "socket_timeout": PATIENCE}
    try:
        with current_app.connection_for_read(transport_options=timeouts) as broker:
            broker.ensure_connection(max_retries=1, timeout=PATIENCE)
            yield broker
    except OperationalError as error:
        raise Unhealthy(f"no answer: {_line(error)}", remedy) from error


def probe_result_backend() -> str:
    """Write and read a result, and take it away again."""
    backend, task_id = current_app.backend, "loginwatch.doctor"
    try:
        with transaction.atomic():  # inside one, the backend does not wait for a database that is away
            backend.store_result(task_id, {"answer": 42}, "SUCCESS")
            answer = backend.get_result(task_id)
            backend.forget(task_id)
    except DatabaseError as error:
        raise Unhealthy(f"does not keep results: {_line(error)}", "see the database above") from error
    if answer != {"answer": 42}:
        raise Unhealthy(f"gave back {answer!r}", "set CELERY_RESULT_BACKEND to the site's own")
    return "keeps results"


def probe_mail() -> str:
    mail = get_connection()
    try:
        mail.open()
        mail.close()
    except (OSError, smtplib.SMTPException) as error:
        raise Unhealthy(f"no answer: {_line(error)}", "start the mail server, or set EMAIL_URL") from error
    return f"{settings.EMAIL_BACKEND.rpartition('.')[0].rpartition('.')[2]} takes mail"


def probe_risk_service() -> str:
    remedy = "start the risk service, or set RISK_API_URL"
    try:
        answer = httpx.get(f"{settings.RISK_API_URL}/healthz", timeout=PATIENCE)
    except httpx.HTTPError as error:
        raise Unhealthy(f"{settings.RISK_API_URL} does not answer: {_line(error)}", remedy) from error
    if answer.status_code != httpx.codes.OK:
        raise Unhealthy(f"{settings.RISK_API_URL} answers {answer.status_code}", remedy)
    return f"{settings.RISK_API_URL} answers"


def probe_breakers() -> str:
    try:
        opened = open_breakers()
    except DatabaseError as error:
        raise Unhealthy(f"cannot be read: {_line(error)}", "see the database above") from error
    if opened:
        raise Unhealthy(
            "; ".join(map(described, opened)), "look at that service: runs go on by themselves when it is back"
        )
    return "all closed"


def probe_beat() -> str:
    remedy = "celery -A loginwatch beat, with a worker running"
    try:
        last: datetime | None = cache.get(HEARTBEAT_KEY)
    except DatabaseError as error:
        raise Unhealthy(f"its heartbeat cannot be read: {_line(error)}", "see the database above") from error
    if last is None:
        raise Unhealthy("no heartbeat yet", remedy)
    age = timezone.now() - last
    if age > HEARTBEAT_LATE:
        raise Unhealthy(f"its last heartbeat was at {last:%Y-%m-%d %H:%M:%S %Z}", remedy)
    return f"its last heartbeat was {age.total_seconds():.0f} s ago"


PROBES: dict[str, Callable[[], str]] = {
    "database": probe_database,
    "migrations": probe_migrations,
    "broker": probe_broker,
    "workers": probe_workers,
    "queues": probe_queues,
    "result backend": probe_result_backend,
    "mail": probe_mail,
    "risk service": probe_risk_service,
    "breakers": probe_breakers,
    "beat": probe_beat,
}


def _line(error: Exception) -> str:
    """The first line of an error's text, or its name where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
