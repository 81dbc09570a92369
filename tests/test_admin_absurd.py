"""Whatever a list of the admin is asked for, it answers: with what it finds, or that it cannot read it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import SignIn, User
from tests.markup import Page
from tests.test_admin import operator as operator  # the fixture
from workflows.runs import create_run

LISTS = [str(model._meta.label) for model in admin.site._registry]
NUMBERS, TEXTS = ["-1", "1e400", "9" * 40, "9" * 5000], ["", "\0", "[", "a,b", "Ω\N{SNOWMAN}", "fe80::1%eth0"]
TIMES = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-13-01T00:00:00Z", "2026-01-01"]
OF_THE_PAGE = ["q", "p", "o", "all", "e", "wait", "_popup", "_to_field"]
# What Django looks up, though no list offers it, and values that its fields take: statements then fail, if anything.
TYPED = [
    ("accounts.SignIn", "ip_address__within", ["abc", "", "10.0.0.1/33", "fe80::1%eth0", "\0", "1"]),
    ("accounts.SignIn", "ip_address", ["abc", "fe80::1%eth0", "10.0.0.0/8", ":"]),
    ("accounts.SignIn", "ip_address__in", ["abc,10.0.0.1", ","]),
    ("accounts.SignIn", "user", NUMBERS),
    ("accounts.SignIn", "id__in", NUMBERS),
    ("accounts.SignIn", "id__range", ["1", "12", "123"]),
    ("accounts.SignIn", "created_at__gte", TIMES),
    ("accounts.SignIn", "created_at__year", ["0", "10000", "9" * 40, "x"]),
    ("accounts.SignIn", "no_such_field", TEXTS),
    ("accounts.SignIn", "place__no_such_lookup", TEXTS),
    ("account.EmailAddress", "email", TEXTS),
    ("auth.Group", "name", TEXTS),
    ("accounts.User", "email", TEXTS),
    ("accounts.User", "email__regex", ["[", "(a+)+$", "\0"]),
    ("accounts.User", "uuid__contains", TEXTS),
    ("accounts.Verdict", "score__in", NUMBERS),
    ("accounts.SecurityEvent", "details__contains", TEXTS),
    ("accounts.SecurityEvent", 'details__a"b\\', TEXTS),
    ("workflows.Run", "id__in", [*NUMBERS, *TEXTS]),
]


@pytest.fixture
def row(alice: User) -> SignIn:
    """For statements to look at."""
    sign_in = SignIn.objects.create(user=alice, ip_address="10.9.8.7", issued_token="x")
    create_run(sign_in)
    return sign_in


@pytest.mark.usefixtures("row")
@pytest.mark.parametrize("label", LISTS)
def test_a_filter_that_a_list_has_bears_any_value(operator: Client, label: str) -> None:
    for name in (*OF_THE_PAGE, *own_parameters(label)):
        for value in (*NUMBERS, *TEXTS, *TIMES):
            assert_answers(operator, label, name, value)


@pytest.mark.usefixtures("row")
@pytest.mark.parametrize(("label", "name", "values"), TYPED, ids=[f"{label} {name}" for label, name, _ in TYPED])
def test_a_lookup_that_somebody_types_bears_any_value(
    operator: Client, label: str, name: str, values: list[str]
) -> None:
    for value in values:
        assert_answers(operator, label, name, value)


@pytest.mark.parametrize("lookup", ["email__regex", "username__iregex", "id__range", "date_joined__year__range"])
def test_neither_a_pattern_nor_a_range_is_looked_for(operator: Client, lookup: str) -> None:
    assert operator.get("/admin/accounts/user/", {lookup: "2"}).status_code == 400


@pytest.mark.parametrize("query", ["since=yesterday", "ip_address__within=abc", "created_at__year=0"])
def test_a_list_says_that_it_could_not_read_what_it_was_asked_for(operator: Client, row: SignIn, query: str) -> None:
    listed = operator.get(f"/admin/accounts/signin/?{query}", follow=True)

    assert listed.redirect_chain == [("/admin/accounts/signin/?e=1", 302)]
    assert row in listed.context["cl"].queryset
    assert "could not be read. Here it is without that." in Page(listed.content.decode()).text


def test_an_action_on_what_cannot_be_read_does_nothing(operator: Client, row: SignIn) -> None:
    data = {"action": "bulk_anonymise", "index": "0", "select_across": "1", "_selected_action": [row.pk]}
    answer = operator.post("/admin/accounts/signin/?created_at__year=0", data)

    assert answer.headers["Location"] == "/admin/accounts/signin/?e=1"


def own_parameters(label: str) -> Iterator[str]:
    """As its filters call them; those that Django makes of a field take one of these, or two."""
    for chosen in admin.site.get_model_admin(apps.get_model(label)).list_filter:
        if isinstance(chosen, type) and issubclass(chosen, admin.SimpleListFilter):
            yield str(chosen.parameter_name)
        else:
            field = chosen[0] if isinstance(chosen, tuple) else chosen
            yield from (f"{field}__{how}" for how in ("exact", "isnull", "isempty", "id__exact"))


def assert_answers(operator: Client, label: str, name: str, value: str) -> None:
    address = reverse(f"admin:{label.replace('.', '_').lower()}_changelist")
    answer = operator.get(address, {name: value})

    assert answer.status_code in {200, 302, 400}, (name, value)
    if answer.status_code == 302:
        assert answer.headers["Location"] == f"{address}?e=1"
