"""The admin: every page is there for an operator, and evidence is read-only."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import Notice, SignIn, User, Verdict
from tests.workflows.conftest import SAFARI
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.password_changes import MakeChange, change_of
from tests.workflows.password_changes import make_change as make_change  # the fixture
from tests.workflows.risk_service import DENY, risk_service
from workflows import password_steps, steps
from workflows.alerting.alerts import raise_alert
from workflows.models import Alert, Run

EVIDENCE = ["device", "signin", "passwordchange", "notice", "securityevent", "verdict"]


@pytest.fixture
def operator(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture
def finished_run(make_run: Callable[..., Run], settings: object) -> Run:
    """Of a sign-in from a second device, which the risk service is against: every kind of row is there."""
    with risk_service() as service:
        service.will_say(DENY)
        settings.RISK_API_URL = service.url  # type: ignore[attr-defined]
        for run in (make_run(), last := make_run(user_agent=SAFARI)):
            for step in (steps.check_device, steps.notify_user, steps.save_event):
                step(run.pk)
            steps.post_to_risk_api(run.pk)
            steps.post_process(run.pk)
    raise_alert(Alert.Kind.RUN_FAILED, "save_event: the <disk> was full", last.pk)
    return last


@pytest.fixture
def password_run(make_change: MakeChange) -> Run:
    run = make_change(session_key="its-key")
    for step in (password_steps.record, password_steps.notify_user, password_steps.end_other_sessions):
        step(run.pk)
    raise_alert(Alert.Kind.RUN_FAILED, "post_process: a bug", run.pk)
    return run


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: str(model._meta.label))
def test_every_list_and_every_row_can_be_opened(
    operator: Client, finished_run: Run, password_run: Run, model: type[Model]
) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"

    assert operator.get(reverse(f"{name}_changelist"), {"q": "alice"}).status_code == 200
    for row in model._default_manager.all()[:3]:
        assert operator.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200


@pytest.mark.parametrize("model", EVIDENCE)
def test_evidence_can_be_neither_added_nor_deleted(
    operator: Client, finished_run: Run, password_run: Run, model: str
) -> None:
    assert operator.get(reverse(f"admin:accounts_{model}_add")).status_code == 403
    row = reverse(f"admin:accounts_{model}_delete", args=[1])
    assert operator.post(row, {"post": "yes"}).status_code in {302, 403}
    assert SignIn.objects.filter(pk=finished_run.sign_in.pk).exists()


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: str(model._meta.label))
def test_no_list_deletes_what_is_ticked(
    operator: Client, finished_run: Run, password_run: Run, model: type[Model]
) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    rows = set(model._default_manager.values_list("pk", flat=True))

    chosen = {"action": "delete_selected", "index": "0", "select_across": "1", "_selected_action": list(rows)}
    assert 'value="delete_selected"' not in operator.get(reverse(name)).content.decode()
    operator.post(reverse(name), chosen | {"post": "yes"})

    assert set(model._default_manager.values_list("pk", flat=True)) == rows


def test_sign_ins_are_filtered_by_what_each_filter_says(operator: Client, finished_run: Run) -> None:
    answer = operator.get("/admin/accounts/signin/?verdict__level__exact=high")

    titles = re.findall(r"<summary>\s*By (.+?)\s*</summary>", answer.content.decode())
    assert titles == ["time", "device status", "verdict", "risk", "state of its run"]
    verdicts = Verdict.objects.filter(sign_in__in=answer.context["cl"].queryset)
    assert {verdict.level for verdict in verdicts} == {"high"}


def test_a_run_is_found_by_its_id_and_shows_its_steps(operator: Client, finished_run: Run) -> None:
    found = operator.get(reverse("admin:workflows_run_changelist"), {"q": str(finished_run.pk)}).content.decode()
    page = operator.get(reverse("admin:workflows_run_change", args=[finished_run.pk])).content.decode()

    assert str(finished_run.pk) in found
    assert all(name in page for name in ("check_device", "post_process"))


RUNS, ALERTS, NOTICES = (
    f"admin:{model}_changelist" for model in ("workflows_run", "workflows_alert", "accounts_notice")
)


def ids_listed(operator: Client, **query: str) -> set[str]:
    page = operator.get(reverse(RUNS), query).content.decode()
    return {str(run.pk) for run in Run.objects.all() if str(run.pk) in page}


def test_runs_are_listed_by_kind_and_those_of_sign_ins_first(
    operator: Client, finished_run: Run, password_run: Run
) -> None:
    of_sign_ins = {str(run.pk) for run in Run.objects.filter(kind="sign_in")}

    assert ids_listed(operator) == ids_listed(operator, kind="sign_in") == of_sign_ins
    assert ids_listed(operator, kind="password_change") == {str(password_run.pk)}
    assert ids_listed(operator, kind="no such kind") == set()


@pytest.mark.parametrize("url", [RUNS, ALERTS, NOTICES])
def test_a_search_for_a_person_finds_what_is_of_either_kind(
    operator: Client, finished_run: Run, password_run: Run, bob: User, url: str
) -> None:
    of_alice = operator.get(reverse(url), {"q": "alice@example.com"}).context["cl"]
    of_bob = operator.get(reverse(url), {"q": "bob@example.com"}).context["cl"]

    assert {"sign_in", "password_change"} == {kind_of(row) for row in of_alice.queryset}
    assert of_bob.result_count == 0


def kind_of(row: Run | Alert | Notice) -> str:
    match row:
        case Run():
            return row.kind
        case Alert():
            return row.run.kind if row.run else ""
    return "sign_in" if row.sign_in_id else "password_change"


def test_a_run_of_no_sign_in_is_found_by_its_id(operator: Client, password_run: Run) -> None:
    assert ids_listed(operator, q=str(password_run.pk)) == {str(password_run.pk)}


def test_a_password_change_shows_no_session(operator: Client, password_run: Run) -> None:
    page = operator.get(reverse("admin:accounts_passwordchange_change", args=[change_of(password_run).pk]))

    assert page.status_code == 200
    assert "its-key" not in page.content.decode()


def test_an_alert_leads_to_its_run_and_says_whether_it_was_told(operator: Client, finished_run: Run) -> None:
    url = reverse("admin:workflows_alert_changelist")
    listed = operator.get(url, {"q": str(finished_run.pk)}).content.decode()

    assert f'<a href="{finished_run.get_absolute_url()}">' in listed
    assert "save_event: the &lt;disk&gt; was full" in listed
    assert "1 alert" in operator.get(url, {"told_at__isempty": 1}).content.decode()
    assert "0 alerts" in operator.get(url, {"told_at__isempty": 0}).content.decode()


def test_an_alert_can_be_neither_added_nor_changed_nor_deleted(operator: Client, finished_run: Run) -> None:
    alert = Alert.objects.get()
    change, delete = (reverse(f"admin:workflows_alert_{what}", args=[alert.pk]) for what in ("change", "delete"))

    assert operator.get(reverse("admin:workflows_alert_add")).status_code == 403
    assert operator.post(change, {"text": "nothing"}).status_code == 403
    assert operator.post(delete, {"post": "yes"}).status_code == 403
    assert Alert.objects.get().text == alert.text


def test_the_admins_password_page_is_the_sites(operator: Client) -> None:
    answer = operator.get("/admin/password_change/")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/accounts/password/change/")
