"""The system checks: each setting that would lose or double a run is refused, with its remedy."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks.registry import registry
from pytest_django import Settings

from workflows.checks import check_workflows

POSTGRESQL = {"ENGINE": "django.db.backends.postgresql", "CONN_HEALTH_CHECKS": True}
GOOD_TIMEOUTS = {"socket_timeout": 30, "socket_connect_timeout": 5}
EXPIRES = {"options": {"expires": 30}}
SQLITE = {"ENGINE": "django.db.backends.sqlite3"}


def found() -> dict[str, str]:
    """The ids of what is refused, with their remedies."""
    return {str(message.id): str(message.hint) for message in check_workflows(None)}


def test_the_sites_own_settings_are_good() -> None:
    assert found() == {}
    assert check_workflows in registry.get_checks()


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("CELERY_TASK_SERIALIZER", "pickle", "workflows.E001"),
        ("CELERY_RESULT_SERIALIZER", "yaml", "workflows.E001"),
        ("CELERY_ACCEPT_CONTENT", ["json", "pickle"], "workflows.E001"),
        ("CELERY_WORKER_DEDUPLICATE_SUCCESSFUL_TASKS", True, "workflows.E002"),
        ("CELERY_BROKER_TRANSPORT_OPTIONS", {}, "workflows.E003"),
        ("CELERY_BROKER_TRANSPORT_OPTIONS", {"socket_timeout": 30}, "workflows.E003"),
        (
            "CELERY_BROKER_TRANSPORT_OPTIONS",
            {**GOOD_TIMEOUTS, "visibility_timeout": 300},
            "workflows.E004",
        ),
        ("CELERY_BEAT_SCHEDULE", {}, "workflows.E005"),
        ("CELERY_BEAT_SCHEDULE", {"recover": {"task": "workflows.periodic.recover", **EXPIRES}}, "workflows.E005"),
        ("CELERY_BROKER_TRANSPORT_OPTIONS", {**GOOD_TIMEOUTS, "global_keyprefix": "mine."}, "workflows.E008"),
        ("CELERY_TASK_DEFAULT_PRIORITY", 5, "workflows.E008"),
        ("CELERY_RESULT_BACKEND", "django-db", "workflows.E009"),
        ("CELERY_TASK_ALWAYS_EAGER", True, "workflows.E010"),
    ],
)
def test_what_endangers_a_run_is_refused_with_a_remedy(settings: Settings, name: str, value: Any, refused: str) -> None:
    setattr(settings, name, value)

    remedies = found()

    assert set(remedies) == {refused}
    assert remedies[refused]


@pytest.mark.parametrize(
    ("database", "refused"),
    [
        (SQLITE, "workflows.E006"),
        (SQLITE | {"OPTIONS": {"transaction_mode": "deferred"}}, "workflows.E006"),
        (POSTGRESQL | {"OPTIONS": {"pool": True}}, "workflows.E007"),
        (POSTGRESQL | {"CONN_HEALTH_CHECKS": False}, "workflows.E011"),
        (POSTGRESQL | {"OPTIONS": {"isolation_level": 2}}, "workflows.E012"),
    ],
)
def test_a_database_that_endangers_a_run_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, database: dict[str, Any], refused: str
) -> None:
    # Not by assignment: Django would take that for another database under the test.
    monkeypatch.setitem(settings.DATABASES, "default", database)

    assert set(found()) == {refused}


def test_steps_in_a_queue_that_no_worker_serves_are_refused(settings: Settings) -> None:
    settings.CELERY_TASK_QUEUES = [queue for queue in settings.CELERY_TASK_QUEUES if queue.name != "mail"]

    assert set(found()) == {"workflows.E013"}


@pytest.mark.parametrize("options", [{}, {"options": {}}, {"options": {"expires": None}}])
def test_what_beat_sends_has_to_expire(settings: Settings, options: dict[str, Any]) -> None:
    entry = {"task": "loginwatch.tasks.heartbeat", "schedule": 10.0, **options}
    settings.CELERY_BEAT_SCHEDULE = settings.CELERY_BEAT_SCHEDULE | {"heartbeat": entry}

    assert set(found()) == {"workflows.E014"}


def test_a_broker_that_is_not_redis_has_other_timeouts(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "amqp://guest@localhost//"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}

    assert found() == {}
