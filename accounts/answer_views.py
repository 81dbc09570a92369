"""The pages on which a person answers for a sign-in: signed in, or by a link of a mail.

Looking at one changes nothing: mail scanners follow links. A button does, by POST.
"""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import answer_links, answers, sessions
from accounts.clients import client_ip
from accounts.models import SignIn
from accounts.sign_ins import sign_in_of

Answer = SignIn.Answer

THANKS = {
    Answer.MINE: "Thank you. You will not be asked about this sign-in again.",
    Answer.NOT_MINE: "That browser is signed out, and its device is not trusted until you have a new password. "
    "Now choose a new password: whoever it was may know the old one.",
}
# The page that it leads back to says why, and where it can be said.
CANNOT_VOUCH = "“It was me” was not stored."


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def answer(request: HttpRequest, sign_in_id: int) -> HttpResponse:
    """For one of the person's own sign-ins; POST ``answer``: "mine" or "not_mine"."""
    own = SignIn.objects.filter(user=request.user.pk, emptied_at=None).select_related("user", "device")
    sign_in = get_object_or_404(own, pk=sign_in_id)
    if request.method != "POST":
        return _ask_own(request, sign_in)
    said = request.POST.get("answer")
    if said not in Answer.values:
        raise BadRequest("answer is mine or not_mine")
    if said == Answer.MINE and not answers.may_vouch(sign_in, by=sign_in_of(request)):
        messages.warning(request, CANNOT_VOUCH)
        return redirect(request.path)
    return _take(request, sign_in, Answer(said), by="session")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def answer_by_link(request: HttpRequest, token: str, said: SignIn.Answer) -> HttpResponse:
    """Whoever reads the person's mail may answer, signed in or not, as anybody."""
    try:
        sign_in = answer_links.sign_in_of(token)
    except answer_links.LinkBroken:
        return render(request, "accounts/answer_link.html", {"expired": False}, status=HTTPStatus.NOT_FOUND)
    except answer_links.LinkExpired:
        return render(request, "accounts/answer_link.html", {"expired": True}, status=HTTPStatus.GONE)
    if request.method != "POST":
        return _ask(request, sign_in, {said}, by_link=True)
    return _take(request, sign_in, said, by="link")


def _ask_own(request: HttpRequest, sign_in: SignIn) -> HttpResponse:
    if answers.may_vouch(sign_in, by=sign_in_of(request)):
        return _ask(request, sign_in, set(Answer))
    return _ask(request, sign_in, {Answer.NOT_MINE}, cannot_vouch=sign_in.answer in answers.BEFORE[Answer.MINE])


def _ask(request: HttpRequest, sign_in: SignIn, which: set[SignIn.Answer], **more: bool) -> HttpResponse:
    """Offer ``which`` answers, of those that can still be given."""
    sayable = [one for one in Answer if one in which and sign_in.answer in answers.BEFORE[one]]
    return render(request, "accounts/answer.html", {"sign_in": sign_in, "sayable": sayable, **more})


def _take(request: HttpRequest, sign_in: SignIn, said: SignIn.Answer, *, by: str) -> HttpResponse:
    answers.answer(sign_in, said, by=by, address=client_ip(request))
    stands = SignIn.objects.values_list("answer", flat=True).get(pk=sign_in.pk)
    signed_out = sessions.leave_ended_session(request)
    if stands == said:  # also where it was said before, as by a double click
        messages.success(request, THANKS[said])
    if said == Answer.NOT_MINE and (signed_out or by == "link"):
        return redirect("account_reset_password")
    return redirect(request.path)
