"""A page of one record in the admin costs what it shows, however much hangs on it, and so does one that asks first."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts import paging
from accounts.models import User
from tests.growth.filling import BUSY
from tests.growth.plans import assert_touched, explained
from tests.growth.test_admin_lists import address
from tests.growth.test_admin_lists import operator as operator  # the fixture
from workflows.bulk import registry
from workflows.bulk.job_admin import MOST_SHOWN
from workflows.bulk.list_admin import MOST_COUNTED, PREFIX
from workflows.bulk.models import BulkFailure, BulkJob

MODELS = list(admin.site._registry)
FAILED = 3 * MOST_SHOWN


@pytest.fixture
def job(site: None) -> BulkJob:
    """More of its rows have failed than its page shows, and as many of each of others."""
    jobs = [BulkJob.objects.create(action="sign_out", selection={}, state="finished", failed=FAILED) for _ in range(4)]
    for one in jobs:
        BulkFailure.objects.bulk_create(BulkFailure(job=one, row=str(n), reason="It is gone.") for n in range(FAILED))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE workflows_bulkfailure")
    return jobs[1]


def page_of(model: type[Model], page: str, key: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=[key])


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("page", ["change", "history"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model._meta.label))
def test_a_page_of_a_record(operator: Client, model: type[Model], page: str) -> None:
    """The first of each model is of the person who has most."""
    Group.objects.create(name="operators")
    record = model._default_manager.order_by("pk")[0]

    with explained() as statements:
        assert operator.get(page_of(model, page, record.pk)).status_code == 200

    rows = MOST_SHOWN if model is BulkJob else 300
    assert_touched(statements, rows=rows, buffers=3 * rows)


def test_the_panel_of_a_bulk_job(operator: Client, job: BulkJob) -> None:
    with explained() as statements:
        assert operator.get(page_of(BulkJob, "panel", job.pk), {"seen": job.state}).status_code == 200

    assert_touched(statements, rows=100, buffers=100)


@pytest.mark.parametrize("person", [BUSY, 4711], ids=["of 10,000 sign-ins", "of 10 sign-ins"])
def test_the_page_that_asks_before_an_account_is_deleted(operator: Client, person: int) -> None:
    with explained() as statements:
        assert operator.get(page_of(User, "delete", person)).status_code == 200

    assert_touched(statements, rows=1_000, buffers=1_000)


def test_an_account_is_deleted(operator: Client) -> None:
    with explained() as statements:
        assert operator.post(page_of(User, "delete", 4711), {"post": "yes"}).status_code == 302

    assert not User.objects.filter(pk=4711).exists()
    assert_touched(statements, rows=1_000, buffers=2_000)


@pytest.mark.parametrize("number", [1, 0], ids=["all", "ticked"])
@pytest.mark.parametrize("action", registry.all_actions(), ids=lambda action: str(action.name))
def test_the_page_that_asks_before_an_action(operator: Client, action: registry.Action, number: int) -> None:
    ids = list(action.listed._default_manager.order_by("pk").values_list("pk", flat=True)[: paging.A_PAGE])
    chosen = {"action": PREFIX + action.name, "index": 0, "select_across": number, ACTION_CHECKBOX_NAME: ids}

    with explained() as statements:
        answer = operator.post(address(action.listed), chosen)

    assert answer.status_code == 200
    assert answer.context["number"] == (MOST_COUNTED + 1 if number else paging.A_PAGE)
    for statement in statements:
        assert statement.rows <= (2 * MOST_COUNTED if number else 2 * paging.MOST), statement
