"""What a worker cannot read or does not know is dropped and told to the operators; the worker goes on."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from tests import servers
from tests.waiting import wait_for
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.risk_service import RiskService
from workflows.models import Alert, Run
from workflows.publishing import publish_all

SECRET = "hunter2"


@pytest.fixture
def client(worker: servers.Server, transactional_db: None) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        yield client


def message(body: bytes, *, content_type: str = "application/json", **headers: Any) -> str:
    """As it lies in Redis."""
    properties = {
        "correlation_id": "a-1",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "sign_in"},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": "t-1",
    }
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": content_type,
            "headers": headers,
            "properties": properties,
        }
    )


ARGUMENTS = json.dumps([[SECRET], {}, {}]).encode()
TASK = {"task": "some.other.task", "id": "a-1", "origin": "gen7@elsewhere", "argsrepr": f"('{SECRET}',)"}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        pytest.param(
            message(ARGUMENTS, **TASK),
            ["task some.other.task, id a-1, queue sign_in, sent by gen7@elsewhere", "no worker knows this task"],
            id="an unknown task",
        ),
        pytest.param(
            message(ARGUMENTS, **{**TASK, "task": "workflows.tasks.check_device"}, content_type="application/x-pickle"),
            ["task workflows.tasks.check_device, id a-1", "type application/x-pickle", "it is no task"],
            id="pickled",
        ),
        pytest.param(message(SECRET.encode()), ["queue sign_in", "7", "it cannot be read (DecodeError)"], id="no JSON"),
        pytest.param(
            message(SECRET.encode(), **{**TASK, "task": "workflows.tasks.check_device"}),
            ["task workflows.tasks.check_device, id a-1", "it cannot be read (DecodeError)"],
            id="arguments that are no JSON",
        ),
        pytest.param(message(json.dumps({"password": SECRET}).encode()), ["it is no task"], id="JSON of something"),
        pytest.param(
            message(ARGUMENTS, **{**TASK, "task": "x\n" * 1000, "id": "y" * 1000}),
            ["task x x x", "…, id yyy"],
            id="a long and crooked name",
        ),
        pytest.param(message(ARGUMENTS, task="some.other.task"), ["task some.other.task, queue"], id="without an id"),
        pytest.param(message(ARGUMENTS, **{**TASK, "id": "a\0b"}), ["id a b"], id="an id that no database takes"),
    ],
)
def test_a_message_that_is_dropped_is_an_alert_without_what_it_holds(
    client: redis.Redis,
    risk: RiskService,
    make_run: Callable[..., Run],
    finished: Callable[[Run], bool],
    sent: str,
    said: list[str],
) -> None:
    client.lpush("sign_in", sent)

    alert = wait_for(Alert.objects.first, "an alert")
    assert alert.kind == Alert.Kind.DEAD_LETTER
    assert all(part in alert.text for part in said), alert.text
    assert SECRET not in alert.text
    assert "\n" not in alert.text
    assert len(alert.text) < 600
    run = make_run()
    wait_for(lambda: publish_all([run]), "the run is published")
    wait_for(lambda: finished(run), "the worker goes on")
