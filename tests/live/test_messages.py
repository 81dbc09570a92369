"""What travels through the broker."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import redis

from tests import servers
from tests.workflows.conftest import make_run as make_run  # the fixture
from workflows.models import Run
from workflows.publishing import publish


def test_only_the_runs_id_travels_and_as_json(
    broker: servers.Server, empty_broker: None, make_run: Callable[..., Run]
) -> None:
    run = make_run()
    publish(run)

    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        (message,) = [json.loads(raw) for raw in client.lrange("sign_in", 0, -1)]
        client.flushall()
    args, kwargs, embedded = json.loads(base64.b64decode(message["body"]))
    assert message["content-type"] == "application/json"
    assert args == [str(run.pk)]
    assert kwargs == {}
    travelling = json.dumps([embedded, message])
    assert "alice" not in travelling
    assert "192.0.2.7" not in travelling
    # And to a group's error callback, the names of its members.
    arguments = {tuple(signature["args"]) for signature in _signatures(embedded)}
    assert arguments == {(str(run.pk),), (str(run.pk), "notify_user", "save_event")}


def _signatures(node: Any) -> Iterator[dict[str, Any]]:
    """Every task signature in a message's embedded canvas."""
    if isinstance(node, dict):
        if str(node.get("task", "")).startswith("workflows."):
            yield node
        for value in node.values():
            yield from _signatures(value)
    elif isinstance(node, list):
        for value in node:
            yield from _signatures(value)
