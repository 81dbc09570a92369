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

from workflows.steps import LONGEST_RISK_DELAY

# kombu's own, in seconds.
DEFAULT_VISIBILITY_TIMEOUT = 3600
JSON = "json"

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
    timeout = _celery("BROKER_TRANSPORT_OPTIONS", {}).get("visibility_timeout", DEFAULT_VISIBILITY_TIMEOUT)
    longest = max([_celery("TASK_TIME_LIMIT", 0) or 0, LONGEST_RISK_DELAY, *_time_limits_of_tasks()])
    if _broker_is_redis() and timeout <= longest:
        yield (
            "E004",
            f"The visibility timeout is {timeout:g} s, and a task may take or wait {longest:g} s.",
            "Raise it in CELERY_BROKER_TRANSPORT_OPTIONS: the broker would deliver such a task again and again.",
        )


def recovery_is_scheduled() -> Iterator[Fault]:
    scheduled = {entry.get("task") for entry in _celery("BEAT_SCHEDULE", {}).values()}
    if "workflows.periodic.recover" not in scheduled:
        yield (
            "E005",
            "Beat does not schedule recovery.",
            "Schedule workflows.periodic.recover every few seconds in CELERY_BEAT_SCHEDULE.",
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
    recovery_is_scheduled,
    sqlite_transactions,
    connection_pool,
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
