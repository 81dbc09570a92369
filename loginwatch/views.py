"""Pages of the site as a whole."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return redirect(settings.LOGIN_REDIRECT_URL if request.user.is_authenticated else settings.LOGIN_URL)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """That this process answers. What it needs is `manage.py doctor`'s business."""
    return HttpResponse("ok", content_type="text/plain")
