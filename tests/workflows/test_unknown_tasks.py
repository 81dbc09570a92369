"""A message whose task no worker knows ends no worker, whatever becomes of what is written of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery import states
from django_celery_results.models import TaskResult

from tests.workflows.result_site import Site
from tests.workflows.test_result_outages import database_away
from workflows.models import Alert
from workflows.worker.consumer import Consumer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def consumer() -> Any:
    """What takes messages for a worker's processes, which are not there."""
    controller = SimpleNamespace(concurrency=1, use_eventloop=False)
    return Consumer(lambda request: None, app=Site().app, controller=controller)


def come(consumer: Any, task_id: str) -> None:
    """A message whose task is unknown has come from the broker."""
    app = consumer.app
    app.send_task("some.other.task", task_id=task_id, queue="unknown")
    with app.connection() as connection, connection.SimpleQueue("unknown") as queue:
        message = queue.get(timeout=5)
        consumer.on_unknown_task(None, message, KeyError("some.other.task"))


def test_while_the_database_is_away_it_is_in_the_log_alone_and_nobody_waits_for_another_attempt(
    consumer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with database_away(float("inf")) as failed:
        come(consumer, "a-1")

    assert len(failed) <= 2, "one for its result, one for the alert"
    assert "a message was dropped, and no alert could be raised: task some.other.task, id a-1" in caplog.text


def test_once_the_database_is_back_each_has_its_result_and_its_alert(consumer: Any) -> None:
    with database_away(float("inf")):
        come(consumer, "a-1")
    come(consumer, "a-2")

    assert TaskResult.objects.get().status == states.FAILURE
    assert "id a-2" in Alert.objects.get().text


def test_other_results_are_as_patient_as_before(consumer: Any) -> None:
    with database_away(float("inf")):
        come(consumer, "a-1")
    with database_away(2):
        consumer.app.backend.store_result("another", 1, states.SUCCESS)

    assert TaskResult.objects.get().task_id == "another"
