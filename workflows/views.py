"""The pages on which a person sees what happens after their sign-ins."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from accounts.models import SignIn, User
from accounts.sessions import person_of
from accounts.sign_ins import SESSION_KEY
from workflows.models import Run
from workflows.presentation.representation import run_as_dict
from workflows.presentation.run_page import NoSuchStep, attempts_at, show_page, shown_runs
from workflows.presentation.watching import Glance, glance
from workflows.results.walk import walk

# In a big site each is on five pages of the database that nobody has read lately, and whoever signs in waits for them.
SIGN_INS_A_PAGE = 7


@require_safe
@never_cache
@login_required
def security(request: HttpRequest) -> HttpResponse:
    """Where a sign-in lands: this sign-in with its run, and the recent ones below."""
    context = _page_of_sign_ins(_sign_ins_of(request))
    sign_ins = context["sign_ins"]
    current = _current_sign_in(request, sign_ins)
    context |= {"current": current, "run": None}
    # Before the run is read: what changes in between is asked for again.
    seen = glance(current.run.pk) if current and hasattr(current, "run") else None
    if current and seen:
        context["poll"] = _poll(request, seen, current.run.pk, beside="row" if current in sign_ins else "")
        context["run"] = _readable_runs(request).filter(sign_in=current).first()
    return render(request, "workflows/security.html", context)


@require_safe
@never_cache
@login_required
def earlier_sign_ins(request: HttpRequest, sign_in_id: int) -> HttpResponse:
    """A page of this person's sign-ins before that one."""
    own = _sign_ins_of(request)
    context = _page_of_sign_ins(_before(own, get_object_or_404(own, pk=sign_in_id)))
    current = request.session.get(SESSION_KEY)
    context["current"] = next((sign_in for sign_in in context["sign_ins"] if sign_in.pk == current), None)
    return render(request, "workflows/earlier_sign_ins.html", context)


@require_safe
@never_cache
@login_required
def run_page(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """One run: its canvas, its times, and the step that ``?step=`` names."""
    seen = _readable(request, glance(run_id))
    return render(request, "workflows/run.html", _page_of(request, seen, run_id))


@require_safe
@never_cache
def run_panel(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """What a page that shows a run asks for while the run moves.

    Nothing where nothing has changed since what it has ``seen``; else the moving part, small (``of=sign-in``) or whole.
    """
    seen = glance(run_id)
    if person := person_of(request.session):
        # Each open page asks all the time: so the session and the person are looked up by the cheapest way.
        request.user = person
    if seen and person and _may_see(person, seen) and seen.version == request.GET.get("seen"):
        return _nothing_new(request, seen, run_id)
    if not request.user.is_authenticated:
        if "HX-Request" in request.headers:
            # The session ended under the page, perhaps by this very run: loaded again, it asks for a sign-in.
            return HttpResponseClientRefresh()
        raise Http404
    seen = _readable(request, seen)
    if request.GET.get("of") == "page":
        return render(request, "workflows/run_answer.html", _page_of(request, seen, run_id))
    context = {"run": _readable_run(request, run_id), "poll": _poll(request, seen, run_id)}
    return render(request, "workflows/run_panel.html", context)


@require_safe
@never_cache
def run_json(request: HttpRequest, run_id: UUID) -> JsonResponse:
    if not request.user.is_authenticated:
        raise Http404
    run = _readable_run(request, run_id)
    tree, attempts = walk(run.results), attempts_at(run)
    return JsonResponse(run_as_dict(run, tree, attempts, staff=request.user.is_staff))


def _nothing_new(request: HttpRequest, seen: Glance, run_id: UUID) -> HttpResponse:
    """The answer where nothing has changed: that alone, or with how often to ask from now on."""
    if request.GET.get("every") == str(seen.poll):
        return HttpResponse(status=204)
    # Without the request, for which much would be gathered that this has no place for.
    return HttpResponse(render_to_string("workflows/run_poll.html", {"poll": _poll(request, seen, run_id)}))


def _page_of(request: HttpRequest, seen: Glance, run_id: UUID) -> dict[str, Any]:
    run = _readable_run(request, run_id)
    step = request.GET.get("step", "")
    try:
        page = show_page(run, staff=request.user.is_staff, step=step)
    except NoSuchStep:
        raise Http404 from None
    return {"run": run, "page": page, "poll": _poll(request, seen, run_id, of="page", step=step)}


def _poll(request: HttpRequest, seen: Glance, run_id: UUID, **of: str) -> dict[str, Any]:
    """Where and how often a page asks, and what it tells of itself: what it has seen, and what it shows."""
    kept = of or {name: request.GET[name] for name in ("of", "step", "beside") if name in request.GET}
    told = {"seen": seen.version, "was": seen.state, "every": seen.poll, **kept}
    return {"url": f"{reverse('workflows:run-panel', args=[run_id])}?{urlencode(told)}", "every": seen.poll}


def _readable(request: HttpRequest, seen: Glance | None) -> Glance:
    """Raises Http404 as ``_readable_run`` does, without a statement."""
    if seen is None or not _may_see(request.user, seen):
        raise Http404
    return seen


def _may_see(person: User | AnonymousUser, seen: Glance) -> bool:
    return person.is_staff or seen.owner == person.pk


def _readable_runs(request: HttpRequest) -> QuerySet[Run]:
    """The runs that this person may see: their own, or for staff all."""
    own = Q(sign_in__user=request.user.pk) | Q(user=request.user.pk)
    return shown_runs() if request.user.is_staff else shown_runs().filter(own)


def _readable_run(request: HttpRequest, run_id: UUID) -> Run:
    return get_object_or_404(_readable_runs(request), pk=run_id)


def _sign_ins_of(request: HttpRequest) -> QuerySet[SignIn]:
    sign_ins = SignIn.objects.filter(user=request.user.pk).select_related("verdict", "run")
    return sign_ins.order_by("-created_at", "-pk")


def _page_of_sign_ins(sign_ins: QuerySet[SignIn]) -> dict[str, Any]:
    """The first of them, and whether there are more.

    Of one that was emptied (accounts/retention.py) nothing is left to show. Only the oldest are: to ask the database
    for others would lead it to another index.
    """
    found = [sign_in for sign_in in sign_ins[:SIGN_INS_A_PAGE] if not sign_in.emptied_at]
    # By itself: the verdict and the run of one that is not shown are not read.
    earlier = _before(sign_ins, found[-1]).values_list("emptied_at", flat=True)[:1] if found else ()
    return {"sign_ins": found, "has_earlier": None in earlier}


def _before(sign_ins: QuerySet[SignIn], last: SignIn) -> QuerySet[SignIn]:
    # The time alone is a range of an index.
    return sign_ins.filter(created_at__lte=last.created_at).exclude(created_at=last.created_at, pk__gte=last.pk)


def _current_sign_in(request: HttpRequest, recent: list[SignIn]) -> SignIn | None:
    """The sign-in that this session began with; one of a session from before is the latest."""
    current = request.session.get(SESSION_KEY)
    if current is None:
        return recent[0] if recent else None
    return (
        next((s for s in recent if s.pk == current), None)
        or _sign_ins_of(request).filter(pk=current, emptied_at=None).first()
    )
