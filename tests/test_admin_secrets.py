"""What the admin shows nowhere, no filter of its lists tells either, not a letter of it at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import SignIn, User
from tests.test_admin import operator as operator  # the fixture

# As what opens a session, or proves who somebody is, is called.
SECRET = re.compile("password|session|token|secret")
TOLD = ["{}", "{}__startswith", "{}__gte", "{}__in", "{}__isnull", "{}__length__gte"]


def secrets_of(model: type[Model]) -> set[str]:
    """The fields of its own that its admin leaves out, and those that ought to be by their names."""
    named = {field.name for field in model._meta.fields if not field.is_relation and SECRET.search(field.name)}
    return named | set(admin.site._registry[model].exclude or ()) if model in admin.site._registry else set()


def ways_to_secrets() -> Iterator[tuple[type[Model], str]]:
    """From each list of the site: the secrets of its rows, and of all that these lead to."""
    for model in admin.site._registry:
        yield from ((model, name) for name in sorted(secrets_of(model)))
        for field in model._meta.get_fields():
            if field.is_relation and isinstance(field.related_model, type):
                yield from ((model, f"{field.name}__{name}") for name in sorted(secrets_of(field.related_model)))


WAYS = list(ways_to_secrets())


@pytest.mark.parametrize(("model", "secret"), WAYS, ids=[f"{model._meta.label} {secret}" for model, secret in WAYS])
def test_no_list_is_filtered_by_a_secret(operator: Client, model: type[Model], secret: str) -> None:
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")

    answers = {told: operator.get(address, {told.format(secret): "a"}).status_code for told in TOLD}

    assert answers == dict.fromkeys(TOLD, 400)


def test_what_is_secret_is_known() -> None:
    """So that the test above does not pass for want of anything to ask."""
    assert {(SignIn, "session_key"), (SignIn, "issued_token"), (User, "password")} <= set(WAYS)
    assert {"sign_in__session_key", "user__password", "sign_ins__session_key"} <= {way for _, way in WAYS}


def test_who_may_see_sign_ins_finds_out_no_session(client: Client, alice: User, make_user: Callable[..., User]) -> None:
    SignIn.objects.create(user=alice, issued_token="x", session_key="abcdef")
    dave = make_user("dave", is_staff=True)
    dave.user_permissions.set(Permission.objects.filter(codename="view_signin"))
    client.force_login(dave)

    listed = client.get("/admin/accounts/signin/", {"user": alice.pk})
    assert listed.context["cl"].result_count == 1
    for beginning in ("a", "b"):
        told = client.get("/admin/accounts/signin/", {"user": alice.pk, "session_key__startswith": beginning})
        assert told.status_code == 400
