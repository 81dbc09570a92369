"""What an operator asks the admin for: the front page, and each list, as it is, filtered and searched.

Pages of one record: records.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.paging import WAIT
from accounts.searching import SearchAdmin
from benchmarks.growth import person
from benchmarks.growth.fill import OF_BUSIEST
from benchmarks.growth.pages import signed_in
from benchmarks.growth.watch import Watch
from loginwatch.dashboard.site import WINDOWS
from workflows.bulk.models import BulkJob
from workflows.models import Run

OPERATOR = "operator"
BULK_JOBS = 300
TIMES = {"past hour": "since=hour", "past day": "since=day", "past month": "since=month"}
ADDRESS = "member-{}@example.com"
# By a model's label: parameters of its list. What one in a thousand or ten thousand has, copies.py sees to.
FILTERS: dict[str, dict[str, str]] = {
    "accounts.User": {"staff": "is_staff__exact=1", "not active": "is_active__exact=0"},
    "accounts.Device": {**TIMES, "untrusted": "untrusted_at__isempty=0"},
    "accounts.SignIn": {
        **TIMES,
        "known device": "device_status__exact=known",
        "new device": "device_status__exact=new",
        "probably known device": "device_status__exact=probably_known",
        "allow": "verdict__decision__exact=allow",
        "challenge": "verdict__decision__exact=challenge",
        "deny": "verdict__decision__exact=deny",
        "high risk": "verdict__level__exact=high",
        "failed run": "run__state__exact=failed",
        "cancelled run": "run__state__exact=cancelled",
        "deny and failed run": "verdict__decision__exact=deny&run__state__exact=failed",
        "deny and new device": "verdict__decision__exact=deny&device_status__exact=new",
        "deny and allowed level": "verdict__decision__exact=deny&verdict__level__exact=low",
        "deny, past hour": "verdict__decision__exact=deny&since=hour",
        "deny, past month": "verdict__decision__exact=deny&since=month",
        "new device, past day": "device_status__exact=new&since=day",
        "failed run, past day": "run__state__exact=failed&since=day",
        "deny, by person": "verdict__decision__exact=deny&q={person}",
        "deny, by network": "verdict__decision__exact=deny&q=198.51.100.0/28",
    },
    "accounts.Notice": {
        **TIMES,
        "sent": "state__exact=sent",
        "given up": "state__exact=given_up",
        "being sent": "state__exact=claimed",
        "given up, past day": "state__exact=given_up&since=day",
    },
    "accounts.PasswordChange": {**TIMES, "by an operator": "how__exact=by_operator"},
    "accounts.SecurityEvent": {
        **TIMES,
        "signed in": "kind__exact=signed_in",
        "session ended": "kind__exact=session_ended",
        "bulk job": "kind__exact=bulk_job",
        "session ended, past day": "kind__exact=session_ended&since=day",
        "session ended, by person": "kind__exact=session_ended&q={person}",
    },
    "accounts.Verdict": {
        **TIMES,
        "allow": "decision__exact=allow",
        "challenge": "decision__exact=challenge",
        "deny": "decision__exact=deny",
        "high": "level__exact=high",
        "medium": "level__exact=medium",
        "session ended": "action__exact=session_ended",
        "flagged": "action__exact=flagged",
        "deny, past day": "decision__exact=deny&since=day",
        "deny and flagged": "decision__exact=deny&action__exact=flagged",
        "deny, by person": "decision__exact=deny&q={person}",
    },
    "workflows.Run": {
        **TIMES,
        "succeeded": "state__exact=succeeded",
        "queued": "state__exact=queued",
        "failed": "state__exact=failed",
        "degraded": "state__exact=degraded",
        "cancelled": "state__exact=cancelled",
        "failed, past day": "state__exact=failed&since=day",
        "failed, past month": "state__exact=failed&since=month",
        "failed changes of passwords": "state__exact=failed&kind=password_change",
        "failed, by person": "state__exact=failed&q={person}",
    },
    "workflows.BulkJob": {"finished": "state__exact=finished", "failed": "state__exact=failed", **TIMES},
    "django_celery_results.TaskResult": {
        **TIMES,
        "successes": "status=SUCCESS",
        "failures": "status=FAILURE",
        "revoked": "status=REVOKED",
        "a step": "step=save_event",
        "a step that never was": "step=end_other_sessions",
        "failures of a step": "status=FAILURE&step=save_event",
        "failures, past day": "status=FAILURE&since=day",
    },
}


def administrate(watch: Watch, last: int) -> Iterator[None]:
    """Each page once. Where the site gives one up, what counts is how long it takes whoever then waits.

    ``last``: the id of somebody with the usual history.
    """
    operator = the_operator()
    BulkJob.objects.bulk_create(
        BulkJob(action="sign_out", selection={}, state=BulkJob.State.FINISHED, requested_by=operator)
        for _ in range(BULK_JOBS)
    )
    client = signed_in(operator)
    client.get(reverse("admin:index"))
    for window in WINDOWS:
        ask(watch, client, f"{reverse('admin:index')}?window={window}", f"admin: front page, {window}")
        yield
    for model, shown in admin.site._registry.items():
        address = list_of(model)
        client.get(f"{address}?{model._meta.pk.name}__isnull=1")  # an empty one, for the templates
        queries = {"": "", **{f", {name}": query for name, query in FILTERS.get(model._meta.label, {}).items()}}
        if isinstance(shown, SearchAdmin):
            queries |= {f", by {kind}": f"q={words}" for kind, words in _searches(shown).items()}
        for name, query in queries.items():
            asked = query.format(person=ADDRESS.format(last))
            ask(watch, client, f"{address}?{asked}", f"admin: {model._meta.verbose_name_plural}{name}")
            yield


def the_operator() -> User:
    """Who may do everything."""
    found = User.objects.filter(username=OPERATOR).first()
    return found or person.make_person(OPERATOR, is_staff=True, is_superuser=True)


def list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def ask(
    watch: Watch, client: Client, address: str, what: str, sent: dict[str, Any] | None = None, expected: int = 200
) -> None:
    """``sent``: what a form sends, if it is one."""
    with watch.timing(what):
        answer = client.get(address) if sent is None else client.post(address, sent)
    if answer.status_code == 503 and sent is None:
        watch.ms.pop(what)
        with watch.timing(what):
            answer = client.get(f"{address}&{WAIT}=1")
        if answer.status_code == 503:
            return
    if answer.status_code != expected:
        raise AssertionError(f"{address}: {answer.status_code}")


def _searches(shown: SearchAdmin) -> dict[str, str]:
    """What the list is searched for, by its kind."""
    run = Run.objects.order_by("-sign_in").values_list("pk", flat=True)[500]
    people = {"person": "{person}", f"person{OF_BUSIEST}": ADDRESS.format(1)} if shown.search_person else {}
    searches = {"network": "198.51.100.0/28", "run": str(run)}
    given = {"network": shown.search_address, "run": shown.search_id}
    return people | {kind: words for kind, words in searches.items() if given[kind]}
