"""A chunk of a bulk job costs what is in it, wherever that is; a look for the same job the jobs of a week."""

from __future__ import annotations

import pytest

from accounts.models import SignIn, User
from tests.growth.filling import BUSY, PEOPLE
from tests.growth.plans import assert_touched, explained
from workflows.bulk import jobs, registry, selection, snapshot


@pytest.fixture
def operator(site: None) -> User:
    return User.objects.create(username="operator", email="operator@example.com", is_staff=True, is_superuser=True)


@pytest.mark.parametrize(("people", "rows"), [([4711, 4712], 100), ([BUSY], 25_000)], ids=["of few", "of many"])
@pytest.mark.parametrize("half", [0, 1])
def test_sign_ins_of_people_who_were_ticked(operator: User, people: list[int], rows: int, half: int) -> None:
    action = registry.get("anonymise_people")
    found = selection.selected(action, selection.of_ids(action, people), operator)
    middle = SignIn.objects.order_by("pk").values_list("pk", flat=True)[100_000] if half else 0

    with explained() as statements:
        ids = list(found.filter(pk__gt=middle).order_by("pk").values_list("pk", flat=True)[: snapshot.CHUNK])

    assert ids
    assert_touched(statements, rows=rows, buffers=rows)


def test_sign_ins_of_everybody(operator: User) -> None:
    action = registry.get("anonymise_people")
    found = selection.selected(action, selection.of_query(action, ""), operator)

    with explained() as statements:
        ids = list(found.order_by("pk").values_list("pk", flat=True)[: snapshot.CHUNK])

    assert len(ids) == snapshot.CHUNK
    assert sum(statement.rows for statement in statements) <= 25_000


def test_whether_the_same_job_is_there_already(operator: User) -> None:
    action = registry.get("sign_out")

    with explained() as statements:
        twin = jobs.twin_of(action, selection=selection.of_query(action, "is_staff__exact=0"), parameters={})

    assert twin is None
    # One that was stopped within a week may go on. So the jobs of that week are read, in the index and in the table.
    assert_touched(statements, rows=2 * PEOPLE * 8 // 360, buffers=50)
