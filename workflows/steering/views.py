"""The page that asks an operator whether it shall be done, and does it."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import User
from workflows.models import Run
from workflows.presentation.words import title_of
from workflows.steering import actions
from workflows.steering.actions import Action, Refused, may_steer, why_not
from workflows.steering.words import WORDINGS, in_words


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def steer(request: HttpRequest, run_id: UUID, action: Action, step: str = "") -> HttpResponse:
    """Where it cannot be done, GET says why (409), and POST does so on the run's page."""
    run = _steerable_run(cast(User, request.user), run_id, action)
    row = get_object_or_404(run.steps, name=step) if step else None
    words = WORDINGS[action]
    if request.method == "POST":
        try:
            actions.steer(run.pk, action, step, by=cast(User, request.user))
        except Refused as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, in_words(run, row, words.done))
        return redirect(run)
    refusal = why_not(run, action, row)
    context = {
        "run": run,
        "step": row,
        "step_title": title_of(run, step),
        "words": words,
        "button": in_words(run, row, words.button),
        "refusal": refusal,
    }
    return render(request, "workflows/steer.html", context, status=HTTPStatus.CONFLICT if refusal else HTTPStatus.OK)


def _steerable_run(user: User, run_id: UUID, action: Action) -> Run:
    """Who is not staff is not told that there is another's run, and may not steer their own either."""
    run = get_object_or_404(Run.objects.select_related("sign_in__user", "user"), pk=run_id)
    if not user.is_staff and run.owner != user:
        raise Http404
    if not may_steer(user, action):
        raise PermissionDenied
    return run
