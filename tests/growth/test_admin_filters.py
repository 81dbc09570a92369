"""A filter of a list in the admin costs what it shows, however rare the value is, and whatever it is combined with."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import paging
from accounts.models import Device, Notice, PasswordChange, SecurityEvent, SignIn, User, Verdict
from tests.growth.filling import BUSY, CHANGES, PEOPLE, SIGN_INS
from tests.growth.plans import Statement, assert_touched, explained
from tests.growth.test_admin_lists import address
from tests.growth.test_admin_lists import operator as operator  # the fixture
from workflows.models import Run

TIMES = ["hour", "today", "day", "week", "month"]
# A few of all, none of them among the newest.
RARE = list(range(1_000, SIGN_INS // 2, 5_000))
PERSON, NETWORK = "person-4711@example.com", "198.51.100.0/24"

COMMON = [
    ("accounts.SignIn", "device_status__exact=known"),
    ("accounts.SignIn", "verdict__decision__exact=allow"),
    ("accounts.SignIn", "run__state__exact=succeeded"),
    ("accounts.SecurityEvent", "kind__exact=signed_in"),
    ("accounts.Verdict", "level__exact=low"),
    ("accounts.Notice", "state__exact=sent"),
    ("workflows.Run", "state__exact=succeeded"),
    ("django_celery_results.TaskResult", "status=SUCCESS"),
    ("django_celery_results.TaskResult", "step=save_event"),
]
FEW = [
    ("accounts.User", "is_staff__exact=1"),
    ("accounts.User", "is_superuser__exact=1"),
    ("accounts.User", "is_active__exact=0"),
    ("accounts.Device", "untrusted_at__isempty=0"),
    ("accounts.SignIn", "device_status__exact=new"),
    ("accounts.SignIn", "verdict__decision__exact=deny"),
    ("accounts.SignIn", "verdict__level__exact=high"),
    ("accounts.SignIn", "run__state__exact=failed"),
    ("accounts.Notice", "state__exact=given_up"),
    ("accounts.PasswordChange", "how__exact=reset"),
    ("accounts.SecurityEvent", "kind__exact=risk_flagged"),
    ("accounts.Verdict", "decision__exact=deny"),
    ("accounts.Verdict", "level__exact=high"),
    ("accounts.Verdict", "action__exact=session_ended"),
    ("workflows.Run", "state__exact=failed"),
    ("django_celery_results.TaskResult", "status=FAILURE"),
]
TOGETHER = [
    ("accounts.SignIn", "verdict__decision__exact=deny&device_status__exact=new"),
    ("accounts.SignIn", "verdict__decision__exact=deny&run__state__exact=failed"),
    ("accounts.SignIn", "verdict__decision__exact=deny&verdict__level__exact=high"),
    ("accounts.Verdict", "decision__exact=deny&action__exact=session_ended"),
    ("workflows.Run", "state__exact=failed&kind=sign_in"),
    ("django_celery_results.TaskResult", "status=FAILURE&step=post_process"),
]
ABSENT = [
    ("accounts.SignIn", "device_status__exact=probably_known"),
    ("accounts.SignIn", "verdict__decision__exact=challenge"),
    ("accounts.SignIn", "verdict__level__exact=medium"),
    ("accounts.SignIn", "run__state__exact=cancelled"),
    ("accounts.SignIn", "run__state__exact=retrying"),
    ("accounts.SignIn", "verdict__decision__exact=deny&verdict__level__exact=low"),
    ("accounts.SignIn", "verdict__decision__exact=deny&device_status__exact=probably_known"),
    ("accounts.Notice", "state__exact=claimed"),
    ("accounts.PasswordChange", "how__exact=by_operator"),
    ("accounts.SecurityEvent", "kind__exact=bulk_job"),
    ("accounts.Verdict", "decision__exact=challenge"),
    ("accounts.Verdict", "level__exact=medium"),
    ("accounts.Verdict", "action__exact=flagged"),
    ("workflows.Run", "state__exact=cancelled"),
    ("workflows.Run", "state__exact=degraded"),
    ("workflows.Run", "state__exact=retrying"),
    ("workflows.Run", "state__exact=failed&kind=password_change"),
    ("django_celery_results.TaskResult", "status=REVOKED"),
    ("django_celery_results.TaskResult", "step=end_other_sessions"),
    ("django_celery_results.TaskResult", "step=no_step"),
]
SINCE = [
    *("accounts.Device", "accounts.SignIn", "accounts.Notice", "accounts.PasswordChange", "accounts.SecurityEvent"),
    *("accounts.Verdict", "workflows.Run", "django_celery_results.TaskResult"),
]
RARE_SINCE = [(label, f"{query}&since={since}") for label, query in FEW if label in SINCE for since in ("day", "month")]
SEARCHED = [
    (label, f"{query}&q={words}")
    for words in (PERSON, NETWORK)
    for label, query in [*COMMON, *FEW]
    if label in {"accounts.SignIn", "accounts.SecurityEvent", "workflows.Run"}
]


@pytest.fixture
def rare(site: None) -> None:
    """What few rows have."""
    SignIn.objects.filter(pk__in=RARE).update(device_status="new")
    Verdict.objects.filter(sign_in__in=RARE).update(decision="deny", level="high", action="session_ended")
    SecurityEvent.objects.filter(pk__in=RARE).update(kind="risk_flagged")
    Run.objects.filter(sign_in__in=RARE).update(state="failed")
    for model, rows, values in (
        (Notice, SIGN_INS // 20, {"state": "given_up"}),
        (Device, PEOPLE, {"untrusted_at": timezone.now() - timedelta(days=1)}),
        (PasswordChange, CHANGES, {"how": "reset"}),
        (User, PEOPLE, {"is_active": False}),
    ):
        model._default_manager.filter(pk__in=range(500, rows // 2, 1_000)).exclude(pk=BUSY).update(**values)
    apps.get_model("django_celery_results.TaskResult").objects.filter(pk__in=RARE).update(status="FAILURE")


def assert_no_more_than_a_few_pages(statements: list[Statement]) -> None:
    """As many rows as are counted, each with a few others: where most rows match, from wherever they are."""
    for statement in statements:
        assert statement.rows <= 6 * paging.MOST, statement
        assert statement.buffers <= 10 * paging.MOST, statement


@pytest.mark.usefixtures("rare")
@pytest.mark.parametrize(("label", "query"), [*FEW, *TOGETHER], ids=str)
def test_what_few_rows_have(operator: Client, label: str, query: str) -> None:
    with explained() as statements:
        answer = operator.get(f"{address(apps.get_model(label))}?{query}")

    assert answer.status_code == 200
    assert answer.context["cl"].result_list
    assert_touched(statements, rows=500, buffers=2_000)


@pytest.mark.usefixtures("rare")
@pytest.mark.parametrize(("label", "query"), ABSENT, ids=str)
def test_what_no_row_has(operator: Client, label: str, query: str) -> None:
    with explained() as statements:
        answer = operator.get(f"{address(apps.get_model(label))}?{query}")

    assert answer.status_code == 200
    assert not answer.context["cl"].result_list
    assert_touched(statements, rows=500, buffers=500)


@pytest.mark.usefixtures("rare")
@pytest.mark.parametrize(("label", "query"), COMMON, ids=str)
def test_what_many_rows_have(operator: Client, label: str, query: str) -> None:
    with explained() as statements:
        answer = operator.get(f"{address(apps.get_model(label))}?{query}")

    assert len(answer.context["cl"].result_list) == paging.A_PAGE
    assert_no_more_than_a_few_pages(statements)


@pytest.mark.parametrize("query", ["verdict__decision__exact=allow", "run__state__exact=succeeded"])
def test_sign_ins_merged_with_what_they_led_to(operator: Client, query: str) -> None:
    """Runs of no sign-in are at one end of the index. Which join PostgreSQL takes is for its figures of the tables."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_nestloop = off")
    with explained() as statements:
        operator.get(f"{address(SignIn)}?{query}")

    (keys,) = [statement for statement in statements if statement.sql.startswith('SELECT "accounts_signin"."id" AS')]
    assert "Merge Join" in [node["Node Type"] for node in keys.nodes]
    assert_touched([keys], rows=3 * paging.A_PAGE, buffers=3 * paging.A_PAGE)


@pytest.mark.parametrize("since", TIMES)
@pytest.mark.parametrize("label", SINCE)
def test_a_time(operator: Client, label: str, since: str) -> None:
    with explained() as statements:
        assert operator.get(address(apps.get_model(label)), {"since": since}).status_code == 200

    assert_no_more_than_a_few_pages(statements)


@pytest.mark.usefixtures("rare")
@pytest.mark.parametrize(("label", "query"), [*RARE_SINCE, *SEARCHED], ids=str)
def test_with_a_time_or_a_search(operator: Client, label: str, query: str) -> None:
    with explained() as statements:
        assert operator.get(f"{address(apps.get_model(label))}?{query}").status_code == 200

    assert_touched(statements, rows=3 * paging.MOST, buffers=5_000)


def test_what_would_take_too_long_is_given_up_and_said_so(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """No index leads to a place."""
    monkeypatch.setattr(paging, "PATIENCE", 0.002)
    nowhere = {"place__exact": "Atlantis"}

    given_up = operator.get(address(SignIn), nowhere)

    assert given_up.status_code == 503
    assert "?place__exact=Atlantis&amp;wait=1" in given_up.content.decode()
    assert operator.get(address(SignIn), {**nowhere, "wait": "1"}).status_code == 200
