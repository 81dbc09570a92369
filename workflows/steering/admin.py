"""Steering many runs at once: actions on the admin's list, on what is ticked or on all that its filter matches."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from typing import cast
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.models import User
from accounts.paging import patience_of_action
from workflows import confirming, kinds
from workflows.models import Run
from workflows.steering import actions
from workflows.steering.actions import Action, Refused
from workflows.steering.words import WORDINGS

# Of one request: as many runs, and seconds after which no other one is begun. Gunicorn ends what takes longer than 8
# (gunicorn.conf.py) when it is stopped.
MOST_RUNS = 1_000
LONGEST = 6.0
MOST_REASONS = 10


class SteeringAdmin(admin.ModelAdmin):
    actions = ("resume_runs", "retry_runs", "skip_runs", "cancel_runs")

    @admin.action(permissions=[Action.RESUME], description=WORDINGS[Action.RESUME].many)
    def resume_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        return self._ask_or_steer(request, queryset, Action.RESUME)

    @admin.action(permissions=[Action.RETRY], description=WORDINGS[Action.RETRY].many)
    def retry_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        return self._ask_or_steer(request, queryset, Action.RETRY)

    @admin.action(permissions=[Action.SKIP], description=WORDINGS[Action.SKIP].many)
    def skip_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        return self._ask_or_steer(request, queryset, Action.SKIP)

    @admin.action(permissions=[Action.CANCEL], description=WORDINGS[Action.CANCEL].many)
    def cancel_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        return self._ask_or_steer(request, queryset, Action.CANCEL)

    # Django asks these whether it shall offer an action, and carry it out.
    def has_resume_permission(self, request: HttpRequest) -> bool:
        return actions.may_steer(cast(User, request.user), Action.RESUME)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return actions.may_steer(cast(User, request.user), Action.RETRY)

    def has_skip_permission(self, request: HttpRequest) -> bool:
        return actions.may_steer(cast(User, request.user), Action.SKIP)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return actions.may_steer(cast(User, request.user), Action.CANCEL)

    def _ask_or_steer(self, request: HttpRequest, queryset: QuerySet[Run], action: Action) -> HttpResponse | None:
        with patience_of_action():
            found = dict(queryset.values_list("pk", "state")[: MOST_RUNS + 1])
        if len(found) > MOST_RUNS:
            too_many = (
                f"More than {MOST_RUNS:,} runs are selected, which is more than one request takes up, and nothing was "
                "done. Narrow the list by a filter or a search. To resume all failed runs: manage.py recover --failed"
            )
            self.message_user(request, too_many, messages.ERROR)
            return None
        step = request.POST.get("step", "") if action is Action.SKIP else ""
        if len(found) > confirming.confirmed(request) or (action is Action.SKIP and step not in _skippable()):
            return self._ask(request, found, action)
        self._steer_all(request, list(found), action, step)
        return None

    def _ask(self, request: HttpRequest, found: dict[UUID, str], action: Action) -> TemplateResponse:
        labels = dict(Run.State.choices)
        context = {
            **self.admin_site.each_context(request),
            **confirming.context(request, f"{action}_runs", len(found)),
            "title": f"{WORDINGS[action].many}?",
            "opts": self.opts,
            "words": WORDINGS[action],
            "states": [(labels.get(state, state), count) for state, count in Counter(found.values()).most_common()],
            "steps": _skippable() if action is Action.SKIP else {},
        }
        return TemplateResponse(request, "admin/workflows/run/steer.html", context)

    def _steer_all(self, request: HttpRequest, run_ids: list[UUID], action: Action, step: str) -> None:
        done, refused, left = _steer_each(run_ids, action, step, by=cast(User, request.user))
        level = messages.SUCCESS if done else messages.INFO
        self.message_user(request, f"{_runs(done)} {WORDINGS[action].past}.", level)
        for reason, count in refused.most_common(MOST_REASONS):
            self.message_user(request, f"{_runs(count)} refused: {reason}", messages.WARNING)
        if others := sum(count for _, count in refused.most_common()[MOST_REASONS:]):
            self.message_user(request, f"{_runs(others)} refused for other reasons.", messages.WARNING)
        if left:
            in_time = f"{_runs(left)} not reached in the time of one request. Select what is left again."
            self.message_user(request, in_time, messages.WARNING)


def _steer_each(run_ids: Collection[UUID], action: Action, step: str, *, by: User) -> tuple[int, Counter[str], int]:
    """Each in a transaction of its own; returns how many were done, refused by reason, and left for want of time."""
    until = time.monotonic() + LONGEST
    done, refused = 0, Counter[str]()
    for run_id in run_ids:
        if time.monotonic() > until:
            break
        try:
            if action is Action.RETRY:
                actions.retry_waiting_steps(run_id, by=by)
            else:
                actions.steer(run_id, action, step, by=by)
        except Refused as refusal:
            refused[str(refusal)] += 1
        else:
            done += 1
    return done, refused, len(run_ids) - done - refused.total()


def _skippable() -> dict[str, str]:
    """What may be skipped in a run of one kind or another, and what it is called."""
    return {step.name: step.title for kind in kinds.all_kinds() for step in kind.steps if step.skippable}


def _runs(count: int) -> str:
    return f"{count:,} run" if count == 1 else f"{count:,} runs"
