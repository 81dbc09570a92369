"""Doing the steps of a run as plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from tests.workflows.conftest import SAFARI
from workflows import steps
from workflows.models import Run, Step
from workflows.steps import Name

ALL = [steps.check_device, steps.notify_user, steps.save_event, steps.post_to_risk_api, steps.post_process]


def do_all(run: Run) -> list[dict[str, Any]]:
    return [step(run.pk) for step in ALL]


def ask(run: Run) -> dict[str, Any]:
    """The fourth step, with those done that come before it."""
    steps.check_device(run.pk)
    steps.save_event(run.pk)
    return steps.post_to_risk_api(run.pk)


def step_of(run: Run, name: Name) -> Step:
    return run.steps.get(name=name)


@pytest.fixture
def second_device_run(run: Run, make_run: Callable[..., Run]) -> Run:
    """A run for a sign-in from a device that is not the account's first."""
    do_all(run)
    return make_run(user_agent=SAFARI)


def end_the_lease(run: Run, name: Name) -> None:
    """As if the time had passed."""
    run.steps.filter(name=name).update(leased_until=timezone.now())


def raising(error: BaseException) -> Callable[..., Any]:
    def raiser(*args: object, **kwargs: object) -> Any:
        raise error

    return raiser
