"""What an operator asks the admin for of one record, its page and its history, and the pages that ask before an action
or a deletion.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.urls import reverse

from accounts.models import User
from accounts.paging import A_PAGE
from benchmarks.growth.fill import OF_BUSIEST
from benchmarks.growth.operator import ask, list_of, the_operator
from benchmarks.growth.pages import signed_in
from benchmarks.growth.watch import Watch
from workflows.bulk import registry
from workflows.bulk.job_admin import MOST_SHOWN
from workflows.bulk.list_admin import PREFIX
from workflows.bulk.models import BulkFailure, BulkJob

# Of each model the one with so many before it: nobody has asked for one that old lately.
POSITION = 50
# Each on a list of its own.
ACTIONS = ("sign_out", "forget_device", "anonymise", "run_again")
# What operators have noted of each of so many people.
NOTES, NOTED = 100, 50


def look_at(watch: Watch, last: int) -> Iterator[None]:
    """Each page once. ``last``: the id of somebody with the usual history, whose account is deleted in the end."""
    operator = the_operator()
    client = signed_in(operator)
    _note(operator)
    for page in ("change", "history", "delete"):
        client.get(_page(operator, page))  # for the templates
    records = _records() | {"user": User.objects.get(pk=last), f"user{OF_BUSIEST}": User.objects.get(pk=1)}
    for name, record in records.items():
        ask(watch, client, _page(record, "change"), f"admin: {name}, its page")
        yield
        ask(watch, client, _page(record, "history"), f"admin: {name}, its history")
        yield
    job = _job()
    for page, what in {"change": "its page", "panel": "the part that moves"}.items():
        ask(watch, client, _page(job, page), f"admin: bulk job of which {MOST_SHOWN:,} rows failed, {what}")
        yield
    for what, address, sent in _actions():
        ask(watch, client, address, f"admin: {what}", sent)
        yield
    for name in (f"user{OF_BUSIEST}", "user"):
        ask(watch, client, _page(records[name], "delete"), f"admin: {name}, asked whether to delete it")
        yield
    ask(watch, client, _page(records["user"], "delete"), "admin: user, deleted", {"post": "yes"}, expected=302)
    yield


def _records() -> dict[str, Model]:
    """By what they are called; of what the site has none, none."""
    found = {
        str(model._meta.verbose_name): list(model._default_manager.order_by("pk")[POSITION : POSITION + 1])
        for model in admin.site._registry
        if model is not BulkJob
    }
    return {name: records[0] for name, records in found.items() if records}


def _page(record: Model, page: str) -> str:
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_{page}", args=[record.pk])


def _note(operator: User) -> None:
    user = ContentType.objects.get_for_model(User)
    LogEntry.objects.bulk_create(
        LogEntry(user=operator, content_type=user, object_id=str(person), object_repr="member", action_flag=CHANGE)
        for person in range(1, NOTED + 1)
        for _ in range(NOTES)
    )


def _job() -> BulkJob:
    job = BulkJob.objects.create(
        action="sign_out", selection={}, state=BulkJob.State.FINISHED, total=MOST_SHOWN, failed=MOST_SHOWN
    )
    BulkFailure.objects.bulk_create(
        BulkFailure(job=job, row=str(row), reason="Its workflow has not ended.") for row in range(MOST_SHOWN)
    )
    return job


def _actions() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each on the rows of a page, and on all: what it is, the address, and what the list's form sends."""
    for action in map(registry.get, ACTIONS):
        rows = list(action.model._default_manager.order_by("-pk").values_list("pk", flat=True)[:A_PAGE])
        for number, across in ((f"{A_PAGE} ticked", 0), ("all", 1)):
            chosen = {"action": PREFIX + action.name, "index": 0, "select_across": across, ACTION_CHECKBOX_NAME: rows}
            what = f"{action.title}: {number} {action.model._meta.verbose_name_plural}, asked whether"
            yield what, list_of(action.model), chosen
