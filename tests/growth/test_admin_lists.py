"""A list in the admin costs what it shows, and counts as far as anybody pages."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.paging import MOST
from tests.growth.filling import BUSY
from tests.growth.plans import explained

LISTS = [model for model in admin.site._registry if model._meta.app_label in ("accounts", "workflows")]
LISTS += [model for model in admin.site._registry if model._meta.label == "django_celery_results.TaskResult"]


@pytest.mark.parametrize("model", LISTS, ids=lambda model: str(model._meta.label))
def test_a_list_in_the_admin(site: None, client: Client, model: type[Model]) -> None:
    User.objects.filter(pk=BUSY).update(is_staff=True, is_superuser=True)
    client.force_login(User.objects.get(pk=BUSY))
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")

    with explained() as statements:
        assert client.get(address).status_code == 200

    # A page shows 100 rows, each with up to two of other tables.
    for statement in statements:
        assert statement.rows <= MOST + 500, statement
