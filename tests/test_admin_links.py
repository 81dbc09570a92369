"""Records in the admin lead to each other, and lists of them are told by a few statements."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_celery_results.models import TaskResult
from pytest_django import Settings

from accounts.models import Device, Notice, SecurityEvent, SignIn, User, Verdict
from tests.test_admin import finished_run as finished_run  # the fixture
from tests.test_admin import make_run as make_run  # the fixture
from tests.test_admin import operator as operator  # the fixture
from workflows.models import Run, task_id_of

LISTS = [Device, SignIn, Notice, SecurityEvent, Verdict, Run, TaskResult]


def page_of(record: Model) -> str:
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_change", args=[record.pk])


def list_of(model: type[Model], **asked: object) -> str:
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(asked)}" if asked else address


def links_to(where: str, page: str) -> bool:
    return f'href="{where}"'.replace("&", "&amp;") in page


@pytest.fixture
def result(finished_run: Run) -> TaskResult:
    return TaskResult.objects.create(task_id=task_id_of(finished_run.pk, "save_event"), status="SUCCESS")


def test_records_lead_to_each_other(operator: Client, finished_run: Run, result: TaskResult) -> None:
    sign_in = SignIn.objects.get(run=finished_run)
    user, device, verdict, notice = sign_in.user, sign_in.device, sign_in.verdict, sign_in.notice
    event = SecurityEvent.objects.filter(sign_in=sign_in)[0]
    assert device
    expected: dict[Model, list[Model]] = {
        sign_in: [user, device, verdict, notice, finished_run],
        finished_run: [user, sign_in, verdict, notice],
        verdict: [user, sign_in, finished_run],
        notice: [user, sign_in],
        event: [user, sign_in, finished_run],
        device: [user],
        result: [finished_run],
    }

    for record, others in expected.items():
        page = operator.get(page_of(record)).content.decode()
        assert [other for other in others if not links_to(page_of(other), page)] == [], record


def test_a_record_leads_to_the_lists_of_what_belongs_to_it(operator: Client, finished_run: Run) -> None:
    sign_in = SignIn.objects.get(run=finished_run)
    user = sign_in.user
    expected = {
        user: [list_of(SignIn, user=user.pk), list_of(Verdict, sign_in__user=user.pk), list_of(Run, q=user.email)],
        sign_in.device: [list_of(SignIn, device=sign_in.device_id)],
        sign_in: [list_of(SecurityEvent, sign_in=sign_in.pk)],
        finished_run: [list_of(TaskResult, q=finished_run.pk)],
    }

    for record, lists in expected.items():
        assert record
        page = operator.get(page_of(record)).content.decode()
        for one in lists:
            assert links_to(one, page), one
            listed = operator.get(one)
            assert listed.status_code == 200
            assert listed.context["cl"].result_count or one.startswith(list_of(TaskResult))


def test_nothing_leads_to_what_one_may_not_see(
    client: Client, finished_run: Run, make_user: Callable[..., User]
) -> None:
    carol = make_user("carol", is_staff=True)
    carol.user_permissions.set(Permission.objects.filter(codename="view_signin"))
    client.force_login(carol)
    sign_in = SignIn.objects.get(run=finished_run)

    for address in (list_of(SignIn), page_of(sign_in)):
        page = client.get(address).content.decode()
        assert sign_in.user.username in page
        for app in ("accounts/user", "accounts/device", "accounts/verdict", "accounts/notice", "workflows/run"):
            assert f'href="/admin/{app}/' not in page
        assert "/admin/accounts/securityevent/" not in page


@pytest.mark.parametrize("model", LISTS, ids=lambda model: str(model._meta.label))
def test_a_list_takes_as_many_statements_for_many_rows(
    operator: Client, finished_run: Run, result: TaskResult, make_run: Callable[..., Run], model: type[Model]
) -> None:
    operator.get(list_of(model))
    with CaptureQueriesContext(connection) as few:
        operator.get(list_of(model))
    before = model._default_manager.count()
    for number in range(3):
        run = make_run()
        Verdict.objects.create(sign_in=run.sign_in, score=1, level="low", decision="allow", action="nothing")
        Notice.objects.create(sign_in=run.sign_in, message_id=str(number))
        SecurityEvent.objects.create(kind="signed_in", user=run.sign_in.user, sign_in=run.sign_in)
        now = timezone.now()
        device = Device.objects.create(user=run.sign_in.user, first_seen_at=now, last_seen_at=now)
        SignIn.objects.filter(pk=run.sign_in.pk).update(device=device)
        TaskResult.objects.create(task_id=task_id_of(run.pk, "save_event"))
    with CaptureQueriesContext(connection) as many:
        assert operator.get(list_of(model)).context["cl"].result_count == before + 3

    assert len(many) <= len(few)


@pytest.mark.parametrize("model", LISTS, ids=lambda model: str(model._meta.label))
def test_what_is_older_than_asked_for_is_not_listed(
    operator: Client, finished_run: Run, result: TaskResult, model: type[Model]
) -> None:
    """Of the two sign-ins with a workflow the first is two days old, with all that came of it."""
    old = timezone.now() - timedelta(days=2)
    first = SignIn.objects.filter(verdict__isnull=False).order_by("pk")[0]
    SignIn.objects.filter(pk__lte=first.pk).update(created_at=old)
    Device.objects.filter(first_sign_in=first).update(first_seen_at=old)
    Notice.objects.filter(sign_in=first).update(created_at=old)
    SecurityEvent.objects.filter(sign_in=first).update(created_at=old)
    TaskResult.objects.create(task_id="old")
    TaskResult.objects.filter(task_id="old").update(date_done=old)

    def listed(since: str) -> int:
        return int(operator.get(list_of(model, since=since)).context["cl"].result_count)

    assert 0 < listed("hour") == listed("day")
    assert listed("day") <= listed("week") == listed("month") == model._default_manager.count()
    assert listed(old.isoformat()) == model._default_manager.count()
    if model is not Notice:
        assert listed("day") < listed("week")


@pytest.mark.parametrize("model", [SignIn, Verdict, Run], ids=lambda model: str(model._meta.label))
def test_a_made_up_history_beside_the_real_one_is_as_old_as_it_is(
    operator: Client, finished_run: Run, settings: Settings, model: type[Model]
) -> None:
    """Its keys are greater than those of sign-ins of just now."""
    settings.DEBUG = True
    call_command("simulate", users=5, days=3, verbosity=0)
    hour = timezone.now() - timedelta(hours=1)
    old = set(SignIn.objects.filter(created_at__lt=hour, pk__gt=finished_run.sign_in_id))
    assert old

    listed = operator.get(list_of(model, since="hour")).context["cl"].result_list

    assert listed
    assert not old & {row if isinstance(row, SignIn) else row.sign_in for row in listed}


@pytest.mark.parametrize("crooked", ["zzz", "", "0193f0"])
def test_a_result_whose_id_names_no_run_leads_to_none(operator: Client, crooked: str) -> None:
    """Who sends a message chooses its id, and of a task that is unknown the result has that, too."""
    result = TaskResult.objects.create(task_id=f"{crooked}.check_device", status="FAILURE")

    for address in (list_of(TaskResult), page_of(result)):
        page = operator.get(address)
        assert page.status_code == 200
        assert result.task_id in page.content.decode()


def test_a_time_that_is_none_is_refused(operator: Client, finished_run: Run) -> None:
    for nonsense in ("yesterday", "2026-13-40T00:00:00Z", "2026-11-21"):
        assert operator.get(list_of(SignIn, since=nonsense)).status_code == 302
