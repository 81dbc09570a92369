"""Retention touches what is due, and where nothing is, next to nothing."""

from __future__ import annotations

import itertools
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from accounts import retention as accounts_retention
from accounts.models import SignIn
from tests.growth.filling import DAYS
from tests.growth.plans import assert_touched, big_tables, explained
from workflows import retention

# What a batch deletes of one table, found in an index, read and deleted.
ROWS_OF_A_BATCH = 3 * max(5 * retention.BATCH, accounts_retention.BATCH)

pytestmark = pytest.mark.usefixtures("site")


@pytest.fixture
def _due(site: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a batch of all kinds, of sign-ins those whose cookies live and those whose do not."""
    settings.RETENTION_SIGN_INS_DAYS = settings.RETENTION_FAILED_SIGN_INS_DAYS = DAYS // 2
    settings.CELERY_RESULT_EXPIRES = 3600
    monkeypatch.setattr(accounts_retention, "COOKIE_LIVES", timedelta(days=DAYS - 10))
    SignIn.objects.filter(pk__lte=3 * retention.BATCH).update(emptied_at=timezone.now())
    soon = timezone.now() + timedelta(hours=2)
    Session.objects.filter(expire_date__lt=soon).update(expire_date=F("expire_date") - timedelta(days=DAYS))


def test_nothing_is_due() -> None:
    with explained() as statements:
        assert not retention.delete_due(seconds=60)

    assert_touched(statements, rows=1, buffers=10)


@pytest.mark.usefixtures("_due")
def test_a_batch_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = 4 + len(retention.SIMPLE)
    # A clock that goes on by a second whenever it is looked at, which is after each batch.
    monkeypatch.setattr(retention, "time", SimpleNamespace(monotonic=itertools.count().__next__))

    with explained() as statements:
        deleted = retention.delete_due(seconds=kinds - 1)

    assert {
        "accounts.PasswordChange",
        "accounts.SignIn",
        "workflows.Step",
        "workflows.BulkFailure",
        "sessions.Session",
        "django_celery_results.TaskResult",
    } <= set(deleted)
    assert_touched(statements, rows=ROWS_OF_A_BATCH, buffers=10 * ROWS_OF_A_BATCH)


@pytest.mark.usefixtures("_due")
def test_looking_whether_anything_still_refers_to_what_goes() -> None:
    """What foreign keys have PostgreSQL look for, of which EXPLAIN tells nothing."""
    scans_before = scans_of_big_tables()

    assert retention.delete_due(seconds=0)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    assert scans_of_big_tables() == scans_before


def scans_of_big_tables() -> int:
    """How often this transaction read one from end to end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(seq_scan) FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)", [list(big_tables())]
        )
        (scans,) = cursor.fetchone()
    return int(scans)
