"""System checks: settings of Celery and the database that would lose or double a run, each with its remedy.

Why each of them does is in docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from celery import current_app
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from workflows import kinds
from workflows.risk.draining import LONGEST
from workflows.steps import LONGEST_RISK_DELAY

# kombu's own, in seconds.
DEFAULT_VISIBILITY_TIMEOUT = 3600
JSON = "json"
PERIODIC = (
    "recover",
    "publish_due_chords",
    "deliver_notices",
    "schedule_follow_ups",
    "tell_operators",
    "post_alerts",
    "look_for_stuck_runs",
)
RESULT_BACKEND = "workflows.results.backend.ResultBackend"

Fault = tuple[str, str, str]
Check = Callable[[], Iterator[Fault]]


def serializers() -> Iterator[Fault]:
    names = {_celery("TASK_SERIALIZER", JSON), _celery("RESULT_SERIALIZER", JSON), *_celery("ACCEPT_CONTENT", [JSON])}
    if names - {JSON, "application/json"}:
        yield (
            "E001",
            f"Celery is set to {', '.join(sorted(names))}.",
            "Use json alone: pickle runs what a message says.",
        )


def deduplication() -> Iterator[Fault]:
    if _celery("WORKER_DEDUPLICATE_SUCCESSFUL_TASKS", False):
        yield (
            "E002",
            "Celery skips messages of tasks that have succeeded.",
            "Unset CELERY_WORKER_DEDUPLICATE_SUCCESSFUL_TASKS: a skipped member of a group is never counted.",
        )


def broker_timeouts() -> Iterator[Fault]:
    options = _celery("BROKER_TRANSPORT_OPTIONS", {})
    missing = [name for name in ("socket_timeout", "socket_connect_timeout") if not options.get(name)]
    if missing and _broker_is_redis():
        yield (
            "E003",
            f"The broker's connections have no {' and no '.join(missing)}.",
            "Set them in CELERY_BROKER_TRANSPORT_OPTIONS: a broker that hangs would hold workers for ever.",
        )


def visibility_timeout() -> Iterator[Fault]:
    options = _celery("BROKER_TRANSPORT_OPTIONS", {})
    timeout = options.get("visibility_timeout", DEFAULT_VISIBILITY_TIMEOUT)
    longest_wait = LONGEST_RISK_DELAY + LONGEST
    longest = max([_celery("TASK_TIME_LIMIT", 0) or 0, longest_wait, *_time_limits_of_tasks()])
    if _broker_is_redis() and options.get("ack_emulation", True) and timeout <= longest:
        yield (
            "E004",
            f"The visibility timeout is {timeout:g} s, and a task may take or wait {longest:g} s.",
            "Raise it in CELERY_BROKER_TRANSPORT_OPTIONS: the broker would deliver such a task again and again.",
        )


def periodic_tasks() -> Iterator[Fault]:
    scheduled = {entry.get("task") for entry in _celery("BEAT_SCHEDULE", {}).values()}
    missing = [name for name in PERIODIC if f"workflows.periodic.{name}" not in scheduled]
    if missing:
        yield (
            "E005",
            f"Beat does not schedule {', '.join(missing)}.",
            "Schedule workflows.periodic.* in CELERY_BEAT_SCHEDULE: what is lost on the way would stay lost.",
        )


def expiring_periodic_tasks() -> Iterator[Fault]:
    schedule = _celery("BEAT_SCHEDULE", {})
    kept = sorted(name for name, entry in schedule.items() if not entry.get("options", {}).get("expires"))
    if kept:
        yield (
            "E014",
            f"What beat sends for {', '.join(kept)} never expires.",
            'Set options["expires"] in CELERY_BEAT_SCHEDULE: after an outage all calls that piled up would be made.',
        )


def sqlite_transactions() -> Iterator[Fault]:
    for alias, database in settings.DATABASES.items():
        mode = str(database.get("OPTIONS", {}).get("transaction_mode") or "DEFERRED").upper()
        if database["ENGINE"].endswith("sqlite3") and mode == "DEFERRED":
            yield (
                "E006",
                f"The SQLite database {alias!r} has DEFERRED transactions.",
                'Set OPTIONS["transaction_mode"] to "IMMEDIATE": two that write would fail with "database is locked".',
            )


def queues_of_runs() -> Iterator[Fault]:
    """Recovery reads how far the queues of the steps have got, under their plain names."""
    served = {queue.name for queue in _celery("TASK_QUEUES", ())}
    unserved = sorted({step.queue for kind in kinds.all_kinds() for step in kind.steps} - served)
    unreadable = [
        name
        for name, value in (
            ("CELERY_TASK_DEFAULT_PRIORITY", _celery("TASK_DEFAULT_PRIORITY", None)),
            ("global_keyprefix", _celery("BROKER_TRANSPORT_OPTIONS", {}).get("global_keyprefix")),
        )
        if value
    ]
    if unserved:
        yield (
            "E013",
            f"The site has no queue {', '.join(unserved)}.",
            "Name it in CELERY_TASK_QUEUES, or lead its tasks to another by CELERY_TASK_ROUTES.",
        )
    if unreadable:
        yield (
            "E008",
            f"Recovery could not see how long runs wait, because of {', '.join(unreadable)}.",
            "Leave the steps without a priority, and Redis without a prefix.",
        )


def result_backend() -> Iterator[Fault]:
    backend = str(_celery("RESULT_BACKEND", "")).replace(":", ".")
    if backend != RESULT_BACKEND:
        yield (
            "E009",
            f"Celery's results are kept by {backend or 'nobody'}.",
            f"Set CELERY_RESULT_BACKEND to {RESULT_BACKEND}: others lose what follows a group.",
        )


def eager_tasks() -> Iterator[Fault]:
    if _celery("TASK_ALWAYS_EAGER", False):
        yield (
            "E010",
            "Celery runs tasks where they are published.",
            "Unset CELERY_TASK_ALWAYS_EAGER: each sign-in would wait for its whole workflow.",
        )


def database_connections() -> Iterator[Fault]:
    for alias, database in settings.DATABASES.items():
        if "postgresql" not in database["ENGINE"]:
            continue
        if not database.get("CONN_HEALTH_CHECKS"):
            yield (
                "E011",
                f"The connections to the database {alias!r} are not looked at before they are used again.",
                "Set CONN_HEALTH_CHECKS: a worker keeps them, and after a restart of the database all would fail.",
            )
        if database.get("OPTIONS", {}).get("isolation_level"):
            yield (
                "E012",
                f"The database {alias!r} has an isolation level of its own.",
                'Unset OPTIONS["isolation_level"]: two members of a group that end at once would not see each other.',
            )


def connection_pool() -> Iterator[Fault]:
    for alias, database in settings.DATABASES.items():
        if database.get("OPTIONS", {}).get("pool"):
            yield (
                "E007",
                f"The database {alias!r} has a connection pool.",
                'Unset OPTIONS["pool"]: a pool that is forked with a worker\'s children shares its connections.',
            )


CHECKS: list[Check] = [
    serializers,
    deduplication,
    broker_timeouts,
    visibility_timeout,
    periodic_tasks,
    expiring_periodic_tasks,
    sqlite_transactions,
    connection_pool,
    queues_of_runs,
    result_backend,
    eager_tasks,
    database_connections,
]


@register()
def check_workflows(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    return [Error(what, hint=hint, id=f"workflows.{name}") for check in CHECKS for name, what, hint in check()]


def _celery(name: str, default: Any) -> Any:
    return getattr(settings, f"CELERY_{name}", default)


def _broker_is_redis() -> bool:
    return str(_celery("BROKER_URL", "")).startswith(("redis", "rediss", "sentinel"))


def _time_limits_of_tasks() -> list[float]:
    limits = (getattr(task, "time_limit", None) for task in current_app.tasks.values())
    return [limit for limit in limits if limit]
