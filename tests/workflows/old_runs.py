"""Runs of sign-ins that were long ago, and what is left of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_celery_results.models import GroupResult, TaskResult
from pytest_django import Settings

from accounts.models import Device, EmailChange, Notice, SecurityEvent, SignIn, Verdict
from workflows import retention
from workflows.models import Alert, Run, Step
from workflows.steps import Name

MakeRun = Callable[..., Run]

# Days for which sign-ins are kept here, and after which no browser brings their cookies back either.
KEPT = 100
LONG_AGO = 500
TABLES = (
    SignIn,
    Run,
    Step,
    Notice,
    EmailChange,
    SecurityEvent,
    Verdict,
    Alert,
    Device,
    Session,
    TaskResult,
    GroupResult,
)


@pytest.fixture
def make_old(make_run: MakeRun, settings: Settings) -> MakeRun:
    """Makes a run of a sign-in so many days ago; takes its state, succeeded, and the fields of the sign-in."""
    settings.RETENTION_SIGN_INS_DAYS = settings.RETENTION_FAILED_SIGN_INS_DAYS = KEPT

    def make(days: float = LONG_AGO, state: Run.State = Run.State.SUCCEEDED, **fields: Any) -> Run:
        run = make_run(created_at=ago(days), **fields)
        Run.objects.filter(pk=run.pk).update(state=state)
        return run

    return make


def ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def prune() -> Counter[str]:
    return retention.delete_due(seconds=math.inf)


def rows() -> dict[str, int]:
    return {model._meta.label: model._default_manager.count() for model in TABLES}


def is_there(run: Run) -> bool:
    """Whether the run is, with its sign-in and its steps; fails where some are and some are not."""
    (answer,) = {
        Run.objects.filter(pk=run.pk).exists(),
        SignIn.objects.filter(pk=run.sign_in.pk).exists(),
        Step.objects.filter(run=run.pk).count() == len(Name),
    }
    return answer
