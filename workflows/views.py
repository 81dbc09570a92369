"""The pages on which a person sees what happens after their sign-ins."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from accounts.models import SignIn
from accounts.sign_ins import SESSION_KEY
from workflows.models import Run
from workflows.representation import run_as_dict

RECENT_SIGN_INS = 20


@require_safe
@never_cache
@login_required
def security(request: HttpRequest) -> HttpResponse:
    """Where a sign-in lands: this sign-in with its run, and the recent ones below."""
    # Of one that was emptied (accounts/retention.py) nothing is left to show. Only the oldest are: to ask the database
    # for others would lead it to another index.
    sign_ins = [sign_in for sign_in in _sign_ins_of(request)[:RECENT_SIGN_INS] if not sign_in.emptied_at]
    current = _current_sign_in(request, sign_ins)
    run = _readable_runs(request).filter(sign_in=current).first() if current else None
    context = {"current": current, "run": run, "sign_ins": sign_ins}
    return render(request, "workflows/security.html", context)


@require_safe
@never_cache
@login_required
def run_page(request: HttpRequest, run_id: UUID) -> HttpResponse:
    run = _readable_run(request, run_id)
    return render(request, "workflows/run.html", {"run": run})


@require_safe
@never_cache
def run_panel(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The moving part of the pages that show a run; while the run moves, it asks for itself again."""
    if not request.user.is_authenticated:
        if "HX-Request" in request.headers:
            # The session ended under the page, perhaps by this very run: loaded again, it asks for a sign-in.
            return HttpResponseClientRefresh()
        raise Http404
    return render(request, "workflows/run_panel.html", {"run": _readable_run(request, run_id)})


@require_safe
@never_cache
def run_json(request: HttpRequest, run_id: UUID) -> JsonResponse:
    if not request.user.is_authenticated:
        raise Http404
    return JsonResponse(run_as_dict(_readable_run(request, run_id), staff=request.user.is_staff))


def _readable_runs(request: HttpRequest) -> QuerySet[Run]:
    """The runs that this person may see: their own, or for staff all."""
    runs = Run.objects.select_related("sign_in__verdict", "sign_in__user", "sign_in__notice").prefetch_related("steps")
    return runs if request.user.is_staff else runs.filter(sign_in__user=request.user.pk)


def _readable_run(request: HttpRequest, run_id: UUID) -> Run:
    return get_object_or_404(_readable_runs(request), pk=run_id)


def _sign_ins_of(request: HttpRequest) -> QuerySet[SignIn]:
    sign_ins = SignIn.objects.filter(user=request.user.pk).select_related("verdict", "run")
    return sign_ins.order_by("-created_at")


def _current_sign_in(request: HttpRequest, recent: list[SignIn]) -> SignIn | None:
    """The sign-in that this session began with; one of a session from before is the latest."""
    current = request.session.get(SESSION_KEY)
    if current is None:
        return recent[0] if recent else None
    return (
        next((s for s in recent if s.pk == current), None)
        or _sign_ins_of(request).filter(pk=current, emptied_at=None).first()
    )
